"""What is asked of a drawn model: each public function, with its options, and what must hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from drawing import Drawn

import optim
from optim._keras import keras, tf
from optim.verification.compare import sqnr

DECIBELS = 20.0
Task = Callable[[Drawn], None]


def _outputs(model: Any, data: Any) -> list[np.ndarray]:
    return [np.asarray(y, np.float64) for y in tf.nest.flatten(model(data, training=False))]


def _close(wanted: list[np.ndarray], got: list[np.ndarray], least: float) -> None:
    assert [a.shape for a in wanted] == [b.shape for b in got]
    for a, b in zip(wanted, got, strict=True):
        assert np.isfinite(b).all()
        # What hardly varies has no signal to speak of: differences from its mean are noise too.
        assert sqnr(a, b) >= least, f"{sqnr(a, b):.1f} dB"


def _file(drawn: Drawn, content: bytes, least: float, reference: Any = None) -> None:
    """A file runs, gives what the model gives, and no island is one that nobody announced."""
    report = optim.verify(content, {"model": reference or drawn.model}, drawn.data)
    for row in report.comparisons:
        assert row.sqnr >= least, f"{row.output}: {row.sqnr:.1f} dB"


def quantize(scheme: str) -> Task:
    def task(drawn: Drawn) -> None:
        quantized = optim.quantize_model(drawn.model, scheme=scheme, calibration_data=[drawn.data])
        _close(_outputs(drawn.model, drawn.data), _outputs(quantized, drawn.data), DECIBELS)
        assert quantized.output_names == drawn.model.output_names
        options = {} if scheme == "int8" else {"representative_data": [drawn.data]}
        _file(drawn, optim.export(quantized, **options), DECIBELS)
        _file(drawn, optim.export(quantized, **options), DECIBELS, quantized)

    return task


def train(drawn: Drawn) -> None:
    quantized = optim.quantize_model(drawn.model, calibration_data=[drawn.data])
    assert len(quantized.losses) == len(drawn.model.losses)
    quantized.compile("sgd", "mse")
    targets = [np.zeros(y.shape, "float32") for y in _outputs(quantized, drawn.data)]
    history = quantized.fit(drawn.data, targets, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def export(mode: str | None) -> Task:
    least = {"float16": 35.0, "dynamic": 15.0, None: 80.0}.get(mode, DECIBELS)
    needs = mode in ("int8", "int16x8")

    def task(drawn: Drawn) -> None:
        options = {"representative_data": [drawn.data]} if needs else {}
        _file(drawn, optim.export(drawn.model, optimize=mode, **options), least)

    return task


def prune(drawn: Drawn) -> None:
    pruned = optim.prune_low_magnitude(drawn.model)
    _close(_outputs(drawn.model, drawn.data), _outputs(pruned, drawn.data), 80.0)
    _close(_outputs(drawn.model, drawn.data), _outputs(optim.unprune(pruned), drawn.data), 80.0)


def sparsify(drawn: Drawn) -> None:
    sparse = optim.sparsify(drawn.model, sparsity=0.5)
    report = optim.sparsity_report(sparse)
    assert all(np.isfinite(y).all() for y in _outputs(sparse, drawn.data))
    assert str(report)


def cluster(drawn: Drawn) -> None:
    clustered = optim.cluster_weights(drawn.model, 8)
    plain = optim.uncluster(clustered)
    _close(_outputs(clustered, drawn.data), _outputs(plain, drawn.data), 60.0)


def explain(drawn: Drawn) -> None:
    assert str(optim.plan(drawn.model))
    frame = optim.debug(drawn.model, [drawn.data]).frame
    assert not frame["sqnr"].isna().all()


def save(drawn: Drawn) -> None:
    import tempfile
    from pathlib import Path

    quantized = optim.quantize_model(drawn.model, calibration_data=[drawn.data])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        quantized.save(path)
        unsafe = any(isinstance(x, keras.layers.Lambda) for x in drawn.model._flatten_layers())
        loaded = optim.load_model(path, **({"safe_mode": False} if unsafe else {}))
    _close(_outputs(quantized, drawn.data), _outputs(loaded, drawn.data), 100.0)


TASKS: dict[str, Task] = {
    "quantize": quantize("int8"),
    "quantize-int16x8": quantize("int16x8"),
    "train": train,
    "export": export(None),
    "export-dynamic": export("dynamic"),
    "export-float16": export("float16"),
    "export-int8": export("int8"),
    "export-int16x8": export("int16x8"),
    "prune": prune,
    "sparsify": sparsify,
    "cluster": cluster,
    "explain": explain,
    "save": save,
}
