"""Files written by earlier versions load, and the models in them compute what they did."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tf_keras")

import optim

SAVED = Path(__file__).parents[1] / "data" / "saved"
NAMES = ("qat", "pcqat", "pruning", "clustered", "annotated")


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    with np.load(SAVED / "expected.npz") as found:
        return dict(found)


@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_those_of_the_model_that_was_saved(
    name: str, ending: str, expected: dict[str, np.ndarray]
) -> None:
    model = optim.load_model(SAVED / f"{name}.{ending}")
    found = model.predict(expected["data"], verbose=0)
    # The order of sums differs between machines, and a value near a step of a fake-quant may
    # fall on its other side.
    tolerance = 1e-5 if name in ("pruning", "clustered") else 0.05
    np.testing.assert_allclose(found, expected[name], atol=tolerance * np.ptp(expected[name]))
    assert model.optimizer is not None


def test_the_layers_of_rules_are_found_under_the_name_of_before() -> None:
    code = "import optim; from optim.engine.layers import Affine; print(Affine.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip() == "Affine", done.stderr
