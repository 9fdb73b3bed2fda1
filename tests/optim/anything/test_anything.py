"""A model of any layers, given to any public function: a right result, or an error that helps.

`make test` draws 60 models; `ANY_MODELS=500` says how many to draw, as the nightly does, and
`ANY_FIRST=1000` where to begin.
"""

from __future__ import annotations

import os

import ingredients
import pytest
from drawing import Drawn, draw
from tasks import TASKS

import optim
from optim._keras import keras
from optim.errors import ExportError, UnsupportedModelError

FIRST = int(os.environ.get("ANY_FIRST", "0"))
COUNT = int(os.environ.get("ANY_MODELS", "60"))


def test_every_layer_of_keras_is_an_ingredient() -> None:
    classes = {
        value.__name__
        for value in vars(keras.layers).values()
        if isinstance(value, type) and issubclass(value, keras.layers.Layer)
    }
    known = {name.partition(":")[0] for name in ingredients.LAYERS} | set(ingredients.LEFT_OUT)
    assert classes <= known, f"in no table: {sorted(classes - known)}"


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_any_model_comes_out_right_or_is_refused_with_a_reason(seed: int) -> None:
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    drawn = draw(7 * seed)  # 7 and the number of steps have no common factor
    name = sorted(TASKS)[seed % len(TASKS)]
    refused = _refusal(name, drawn)
    if refused is None:
        return
    said = f"{name} of {drawn}: {refused}"
    # A refusal names a layer of the model, says why, and what to do about it.
    assert isinstance(refused, (UnsupportedModelError, ExportError)), said
    for problem in refused.problems:
        assert problem.layer, said
        assert problem.reason, said
        assert problem.remedy, said


def _refusal(name: str, drawn: Drawn) -> optim.OptimError | None:
    try:
        TASKS[name](drawn)
    except optim.OptimError as error:
        return error
    except Exception as error:
        raise AssertionError(f"{name} of {drawn}: {type(error).__name__}: {error}") from error
    return None
