"""Every test draws the same random numbers in every run."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest

_OF_KERAS = Path(__file__).parent / "optim"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Seed before the fixtures, so that a model of random weights is the same one every time.

    Whether a test passes must not depend on the weights that it happens to draw, nor on the
    tests that ran before it in its process.
    """
    random.seed(0)
    np.random.seed(0)
    if "tf_keras" in sys.modules or item.path.is_relative_to(_OF_KERAS):
        from optim._keras import keras

        keras.utils.set_random_seed(0)
