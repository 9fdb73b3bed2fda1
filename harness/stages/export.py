"""Stage ``export``: write a LiteRT file, with the weights from before the training step."""

from __future__ import annotations

from harness.stages.workbench import Bench, NotFiniteError
from harness.vocabulary import CONTROL


def run(bench: Bench) -> None:
    """Calibrate and export; what the model to be exported computes is kept for ``parity``.

    A step on random targets moves every weight, and would be most of the difference to the
    float model: so it is taken back first, but for what training is for, such as masks.
    """
    import numpy as np

    technique = bench.technique
    if "train" in bench.stages:
        bench.restore(but=technique.state)
    samples = bench.batches()
    technique.calibrate(bench.model, samples)
    bench.simulated = bench.expected if bench.is_built else bench.outputs(samples)
    if not all(np.isfinite(one).all() for one in bench.simulated):
        raise NotFiniteError("the output of the model to be exported is not finite")
    shapes = bench.input_shapes
    shape = shapes if len(shapes) > 1 else shapes[0]
    technique.export(bench.model, bench.file, shape, samples)
    if technique.id == CONTROL:
        bench.foundation.adopt(bench.file)
    bench.metrics["file_bytes"] = bench.file.stat().st_size
    bench.model = None  # nothing after this needs it, and the file takes its place in memory
