"""Reference inputs: photographs that scikit-image ships, cropped with a fixed seed.

What a network computes of noise says little of what quantization does to it: ranges, and
which channels count, come from natural images. These are the same on every machine.
"""

from __future__ import annotations

from functools import cache
from typing import Any

#: Functions of `skimage.data` whose images come with the package: nothing is downloaded.
SOURCES = ("astronaut", "chelsea", "coffee", "rocket")

#: The smallest crop, as a share of the shorter side.
SMALLEST = 0.5


@cache
def _source(name: str) -> Any:
    import skimage.data

    return getattr(skimage.data, name)()


def crops(shape: tuple[int, int, int, int], seed: int) -> Any:
    """Return square crops of the photographs, in turn, resized.

    Args:
      shape: ``(count, height, width, channels)``; one channel is the luminance, more than
        three repeat the colours.
      seed: of position and size of the crops.

    Returns:
      float32 pixels in [0, 255] of that shape.
    """
    import numpy as np
    from skimage.transform import resize

    count, height, width, channels = shape
    generator = np.random.default_rng(seed)
    images = np.empty(shape, np.float32)
    for number in range(count):
        source = _source(SOURCES[number % len(SOURCES)])
        side = round(min(source.shape[:2]) * generator.uniform(SMALLEST, 1.0))
        top, left = (int(generator.integers(0, n - side + 1)) for n in source.shape[:2])
        crop = source[top : top + side, left : left + side].astype(np.float32)
        small = resize(crop, (height, width), anti_aliasing=True, preserve_range=True)
        if channels == 1:
            small = small @ np.array([[0.2126], [0.7152], [0.0722]], np.float32)
        images[number] = small[..., np.arange(channels) % small.shape[-1]]
    return images
