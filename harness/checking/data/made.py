"""Inputs where none are given: photographs for images, noise for all else."""

from __future__ import annotations

from typing import Any

from harness.checking.data import images
from harness.stages.inputs import photographs

#: What an open size is that is none of an image.
_OPEN = 16

#: Integers are drawn below this where no layer says how many there are.
_WORDS = 16


def inputs(wanted: Any) -> tuple[list[Any], str]:
    """Return made-up inputs, and what they are in words."""
    kinds = []
    arrays = []
    for number, spec in enumerate(wanted.io.specs):
        array, told = _one(spec, wanted, wanted.given["seed"] + number)
        arrays.append(array.astype(spec.dtype.as_numpy_dtype))
        kinds.append(told)
    return arrays, f"{wanted.count} made up: {', '.join(dict.fromkeys(kinds))}"


def _one(spec: Any, wanted: Any, seed: int) -> tuple[Any, str]:
    import numpy as np

    generator = np.random.default_rng(seed)
    floating = spec.dtype.is_floating
    if spec.shape.rank == 4 and (spec.shape[-1] or 3) <= 4 and (floating or spec.dtype.size == 1):
        low, high = images.span(wanted) if floating else (0.0, 255.0)
        shape = images.sizes(spec.shape, wanted.given["size"])
        pixels = photographs.crops((wanted.count, *shape), seed) / 255
        return pixels * (high - low) + low, f"photographs, pixels {low:g} to {high:g}"
    shape = (wanted.count, *(size or _OPEN for size in spec.shape[1:]))
    if floating:
        return generator.standard_normal(shape), "noise"
    most = 2 if spec.dtype.name == "bool" else _vocabulary(wanted.model)
    return generator.integers(0, most, shape), f"random integers below {most}"


def _vocabulary(model: Any) -> int:
    """Return the least number of rows that a table of the model has."""
    found = [getattr(layer, "input_dim", None) for layer in model._flatten_layers()]
    return min([n for n in found if isinstance(n, int) and n > 0], default=_WORDS)
