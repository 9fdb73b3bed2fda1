"""Stage ``build`` of a check: open the model, read the inputs, and see that it computes."""

from __future__ import annotations

from typing import Any

from harness.checking import data
from harness.checking.bench import Checked
from harness.stages import build as building
from harness.stages.workbench import Bench, NotFiniteError


def run(bench: Bench) -> None:
    """Give a technique its model; an earlier one of the same process may have opened it."""
    assert isinstance(bench, Checked)
    building.give(bench, build)


def build(bench: Bench) -> None:
    import numpy as np
    import tf_keras as keras

    from optim.models.signature import declared_interface

    assert isinstance(bench, Checked)
    keras.utils.set_random_seed(bench.options.seed)
    told = bench.told
    bench.model = building.construct(
        bench, source=told["source"], custom=told["custom"], trust=told["trust"]
    )
    io = declared_interface(bench.model)
    batch = next((s.shape[0] for s in io.specs if s.shape.rank and s.shape[0]), None)
    told["batch"] = bench.metrics["batch"] = batch
    found = data.read(told["data"], io, bench.model, batch or 1)
    bench.samples = found.arrays if len(found.arrays) > 1 else found.arrays[0]
    bench.expected = bench.outputs(bench.batches())
    if not all(np.isfinite(one).all() for one in bench.expected):
        raise NotFiniteError("the model's own output is not finite on this data")
    bench.metrics |= {
        "parameters": int(sum(w.shape.num_elements() for w in bench.model.weights)),
        "layers": sum(1 for _ in bench.model._flatten_layers(include_self=False)),
        "samples": len(found.arrays[0]),
        "data": found.told,
        "rough": found.rough,
        "inputs": [_input(*one) for one in zip(io.input_names, found.arrays, strict=True)],
    }


def _input(name: str, array: Any) -> dict[str, Any]:
    return {"name": name, "shape": list(array.shape[1:]), "dtype": str(array.dtype)}
