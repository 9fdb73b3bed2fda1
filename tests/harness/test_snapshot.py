"""Weights on disk: which are not what they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.stages import snapshot

NAN = float("nan")


class Weight:
    def __init__(self, value: Any) -> None:
        self.value = np.asarray(value)

    def numpy(self) -> Any:
        return self.value


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        (np.float32([[1, 2], [NAN, 3]]), np.float32([[1, 2], [NAN, 3]]), False),
        (np.float32([[1, 2], [NAN, 3]]), np.float32([[1, 2], [NAN, 4]]), True),
        (np.float32([[1, 2], [NAN, 3]]), np.float32([[NAN, 2], [NAN, 3]]), True),
        (np.float32([NAN, 1]), np.float32([0, 1]), True),
        (np.float32(2), np.float32(2), False),
        (np.float32(2), np.float32(3), True),
        (np.int64([1, 2]), np.int64([1, 2]), False),
        (np.array([True]), np.array([False]), True),
        (np.zeros((0, 3), "float32"), np.zeros((0, 3), "float32"), False),
    ],
)
def test_what_changed(tmp_path: Path, before: Any, after: Any, changed: bool) -> None:
    path = tmp_path / "weights.npy"
    snapshot.write([Weight(before), Weight(1)], path)
    weights = [Weight(after), Weight(1)]
    assert snapshot.changed(weights, path) == weights[:changed]
