"""The models of `keras.applications` as the exactness figures want them, and those figures.

Shared by `test_applications.py`, which asserts the figures, and `speed/exactness.py`,
which prints them.
"""

from __future__ import annotations

import gc
import tempfile
import time
import types
from pathlib import Path
from typing import Any

import numpy as np

from harness.stages.inputs.conditioning import scale_only
from optim._keras import keras, tf
from optim.files.api import load_model
from optim.graph.reader import read
from optim.quantization.api import quantize_model
from optim.quantization.building.builder import build
from optim.quantization.lowering.driver import lower
from optim.quantization.planning.planner import plan

NAMES = sorted(
    name
    for name, value in vars(keras.applications).items()
    if isinstance(value, types.FunctionType) and name[0].isupper()
)
VARIANTS = ("notop", "top")

_SIZE = 96  # of the images where the model takes any size
_LARGEST = 331  # a model whose own images are larger is fed smaller ones


def make(name: str, variant: str) -> tuple[Any, Any]:
    """Return a model with random weights, conditioned, and one image that it takes.

    Args:
        name: of a constructor of `keras.applications`.
        variant: "notop": features, any image size. "top": logits, the default size.
    """
    try:
        return _conditioned(name, variant, None)
    except tf.errors.InvalidArgumentError:
        # Keras builds some graphs for an unknown size that no image fits.
        keras.utils.set_random_seed(0)
        return _conditioned(name, variant, _SIZE)


def _conditioned(name: str, variant: str, size: int | None) -> tuple[Any, Any]:
    constructor = getattr(keras.applications, name)
    if variant == "top":
        model = constructor(weights=None, classifier_activation=None)
    else:
        model = constructor(weights=None, include_top=False, input_shape=(size, size, 3))
    batch = image(_fed(model.input_shape[1]))
    accept(model, batch)
    return condition(model, batch), batch


def _fed(own: int | None) -> int:
    """Size of the image for a model built for one size, or for any."""
    if own is None:
        return _SIZE
    # The strides of these networks divide 32: a multiple of it changes no padding.
    return own if own <= _LARGEST else own % 32 + 224


def image(size: int) -> Any:
    """Return a batch of one smooth picture with values in [0, 255]."""
    rough = np.random.default_rng(0).uniform(0, 255, (1, 8, 8, 3))
    return tf.clip_by_value(tf.image.resize(rough, (size, size), "bicubic"), 0.0, 255.0)


def accept(model: Any, batch: Any) -> bool:
    """Let a model take an image smaller than its own; return whether that was needed.

    The graph computes at any size that its layers take. What refuses one is the check
    that Keras makes before the first layer.
    """
    smaller = model.input_shape[1] not in (None, batch.shape[1])
    if smaller:
        model.input_spec = None
    return bool(smaller)


def condition(model: Any, batch: Any) -> Any:
    """Give a model with random weights signals of unit size, and return it.

    The variance of each BatchNormalization becomes the mean square of its whole input, the
    mean stays 0: centring random features would make a deep network chaotic, in which a
    rounding error grows with every layer.
    """
    scale_only(model, batch, 1.0)
    return model


def measure(name: str, variant: str) -> dict[str, Any]:
    """Return the exactness figures of one model.

    Returns:
        `error`: largest difference of the lowered model's output from the original's, over
        the original's largest value; `floats`: layers that the plan leaves float;
        `layers`: calls in the plan; `finite`: whether the quantized model's output is;
        `keras`, `h5`: whether it is bit-equal after being saved so and loaded; `size` of
        the image and CPU `seconds`.
    """
    began = time.process_time()
    keras.utils.set_random_seed(0)
    model, batch = make(name, variant)
    decided = plan(model)
    figures: dict[str, Any] = {
        "model": name,
        "variant": variant,
        "size": int(batch.shape[1]),
        "layers": len(decided),
        "floats": len(decided.floats),
    }
    del decided
    expected = model(batch, training=False).numpy()
    lowered = build(lower(read(model)))
    accept(lowered, batch)
    result = lowered(batch, training=False).numpy()
    figures["error"] = float(np.abs(result - expected).max() / np.abs(expected).max())
    del lowered
    gc.collect()

    smaller = accept(model, batch)
    quantized = quantize_model(model, calibration_data=None if smaller else [batch])
    del model
    gc.collect()
    if smaller:
        _spread_ranges(quantized)
        accept(quantized, batch)
    expected = quantized(batch, training=False).numpy()
    figures["finite"] = bool(np.isfinite(expected).all())
    with tempfile.TemporaryDirectory() as folder:
        paths = {suffix: Path(folder, f"model.{suffix}") for suffix in ("keras", "h5")}
        for path in paths.values():
            quantized.save(path)
        del quantized
        for suffix, path in paths.items():
            gc.collect()
            loaded = load_model(path)
            accept(loaded, batch)
            got = loaded(batch, training=False).numpy()
            figures[suffix] = bool(np.array_equal(got, expected))
            del loaded
            path.unlink()
    figures["seconds"] = round(time.process_time() - began, 1)
    return figures


def _spread_ranges(model: Any) -> None:
    """Give every activation range values of its own, where no batch of its size is at hand."""
    rng = np.random.default_rng(0)
    for weight in model.non_trainable_weights:
        if weight.shape.rank == 0 and weight.name.endswith(("_min:0", "_max:0")):
            sign = -1 if weight.name.endswith("_min:0") else 1
            weight.assign(sign * rng.uniform(5.0, 10.0))
