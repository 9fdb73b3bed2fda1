"""Weights on disk: what was written comes back, and what differs from it is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.stages import snapshot


class Weight:
    """A variable, as far as snapshots are concerned."""

    def __init__(self, name: str, value: Any) -> None:
        self.name, self.value = name, np.array(value)

    def numpy(self) -> Any:
        return self.value.copy()

    def assign(self, value: Any) -> None:
        self.value = value


def weights() -> list[Weight]:
    many = np.random.default_rng(0).normal(size=(600, 1000)).astype("float32")
    with_nan = np.array([[1.0, np.nan], [0.0, 3.0]], "float32")
    return [
        Weight("kernel:0", many),
        Weight("transposed:0", many.T),
        Weight("nan:0", with_nan),
        Weight("step:0", np.int64(7)),
        Weight("mask:0", many > 0),
        Weight("empty:0", np.empty((0, 3), "float32")),
    ]


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    snapshot.write(weights(), tmp_path / "w.npy")
    found = [Weight(one.name, np.zeros_like(one.value)) for one in weights()]
    snapshot.restore(found, tmp_path / "w.npy", but=("mask",))
    for one, wanted in zip(found, weights(), strict=True):
        if one.name == "mask:0":
            assert not one.value.any()
        else:
            np.testing.assert_array_equal(one.value, wanted.value)


def test_nothing_has_changed_at_first(tmp_path: Path) -> None:
    snapshot.write(weights(), tmp_path / "w.npy")
    assert snapshot.changed(weights(), tmp_path / "w.npy") == []
    snapshot.write([], tmp_path / "none.npy")
    assert snapshot.changed([], tmp_path / "none.npy") == []


@pytest.mark.parametrize("at", [0, 300_000, -1])
def test_one_value_is_enough_wherever_it_is(tmp_path: Path, at: int) -> None:
    snapshot.write(weights(), tmp_path / "w.npy")
    now = weights()
    now[0].value.reshape(-1)[at] += 1
    assert snapshot.changed(now, tmp_path / "w.npy") == [now[0]]


def test_values_count_and_not_bits(tmp_path: Path) -> None:
    other_nan = np.array([0x7FC00001], np.uint32).view(np.float32)
    snapshot.write([Weight("a", np.array([0.0, np.nan], "float32"))], tmp_path / "w.npy")
    same = Weight("a", np.array([-0.0, other_nan[0]], "float32"))
    assert snapshot.changed([same], tmp_path / "w.npy") == []
    other = Weight("a", np.array([np.nan, 0.0], "float32"))
    assert snapshot.changed([other], tmp_path / "w.npy") == [other]


def test_a_weight_of_another_shape_has_changed(tmp_path: Path) -> None:
    snapshot.write([Weight("a", np.zeros((2, 3), "float32"))], tmp_path / "w.npy")
    other = Weight("a", np.zeros((3, 2), "float32"))
    assert snapshot.changed([other], tmp_path / "w.npy") == [other]
