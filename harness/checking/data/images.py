"""Images from files, as a model takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.vocabulary import UsageError

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")

#: Layers that bring pixels of 0 to 255 into the range that a network wants.
_RESCALING = ("Rescaling", "Normalization")


def sizes(shape: Any, open_size: int) -> tuple[int, int, int]:
    """Return height, width and channels of an input, those left open settled."""
    height, width, channels = shape[1:]
    return height or open_size, width or open_size, channels or 3


def span(wanted: Any) -> tuple[float, float]:
    """Return the values of black and white.

    As asked for; else 0 and 255 for a model that rescales its input itself, 0 and 1 for others.
    """
    low, high = wanted.given["low"], wanted.given["high"]
    if low is not None:
        return low, high
    layers = wanted.model._flatten_layers(include_self=False)
    own = any(type(layer).__name__ in _RESCALING for layer in layers)
    return (0.0, 255.0) if own else (0.0, 1.0)


def read(
    folder: Path, count: int, shape: tuple[int, int, int], values: tuple[float, float]
) -> tuple[Any, str]:
    """Return images of a folder and those in it, evenly picked, and what they are in words.

    Args:
      folder: where they are, at any depth.
      count: how many at most.
      shape: height, width and channels that they are resized to.
      values: of black and white.

    Raises:
      UsageError: there is none, or one cannot be read.
    """
    import numpy as np

    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file())
    if not found:
        raise UsageError(f"--data {folder}: no image in it ({', '.join(ENDINGS)})")
    picked = [
        found[i * len(found) // min(count, len(found))] for i in range(min(count, len(found)))
    ]
    array = np.stack([_one(path, shape) for path in picked])
    low, high = values
    return array * (high - low) + low, f"{len(picked)} images, pixels {low:g} to {high:g},"


def _one(path: Path, shape: tuple[int, int, int]) -> Any:
    """Return one image, values 0 to 1."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    height, width, channels = shape
    try:
        with Image.open(path) as image:
            mode = "L" if channels == 1 else "RGBA" if channels == 4 else "RGB"
            small = image.convert(mode).resize((width, height), Image.Resampling.BILINEAR)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError(f"--data: {path.name} is no image that can be read: {error}") from error
    array = np.asarray(small, np.float32).reshape(height, width, -1) / 255
    return array[..., np.arange(channels) % array.shape[-1]]
