"""The images: scikit-learn's digits, which its package ships, enlarged.

1797 handwritten digits of 8x8 pixels (test set of the UCI Optical Recognition of
Handwritten Digits data set), ten classes of about equal size. Nothing is downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CLASSES = 10

#: The largest value of a pixel in scikit-learn's arrays.
_WHITE = 16.0


@dataclass(frozen=True)
class Images:
    """What is trained and tested on.

    Attributes:
      train, test: float32 pixels, shape ``(count, size, size, 3)``.
      train_labels, test_labels: int32 classes, shape ``(count,)``.
    """

    train: Any
    train_labels: Any
    test: Any
    test_labels: Any


def digits(size: int, pixels: tuple[float, float], test_share: float, seed: int) -> Images:
    """Return the digits, the classes in equal shares in both parts.

    Args:
      size: height and width, bilinearly enlarged.
      pixels: the values of black and white.
      test_share: share of the images that is tested on.
      seed: of the division.
    """
    import numpy as np
    from skimage.transform import resize
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    found = load_digits()
    small = np.moveaxis(found.images / _WHITE, 0, -1)  # resize takes the last axis for channels
    large = np.moveaxis(resize(small, (size, size), order=1, anti_aliasing=False), -1, 0)
    black, white = pixels
    images = (black + (white - black) * np.clip(large, 0, 1)).astype(np.float32)
    images = np.repeat(images[..., None], 3, axis=-1)
    labels = found.target.astype(np.int32)
    train, test, train_labels, test_labels = train_test_split(
        images, labels, test_size=test_share, random_state=seed, stratify=labels
    )
    return Images(train, train_labels, test, test_labels)
