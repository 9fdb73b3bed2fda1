"""What docs/extending.md shows works as it stands there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tf_keras")

import optim
from harness import techniques
from optim._keras import keras
from optim.quantization.lowering import registry

TEXT = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.fixture
def rules() -> Iterator[None]:
    before = {key: list(value) for key, value in registry._RULES.items()}
    yield
    registry._RULES.clear()
    registry._RULES.update(before)


def test_the_technique_is_registered_and_zeroes_half(monkeypatch: pytest.MonkeyPatch) -> None:
    known = techniques.registry()
    (code,) = [block for block in blocks("python") if block.startswith("# half.py")]
    try:
        exec(compile(code, "half.py", "exec"), {"__name__": "half"})
        (one,) = techniques.select(["half-zero"])
        inputs = keras.Input((16,))
        model = keras.Model(inputs, keras.layers.Dense(8)(inputs))
        sparse = one.transform(model)
        assert float(np.mean(sparse.layers[-1].kernel == 0)) == pytest.approx(0.5)
    finally:
        known.pop("half-zero", None)  # type: ignore[attr-defined]


def test_the_project_file_names_the_module() -> None:
    (toml,) = blocks("toml")
    assert '[project.entry-points."tfmot_matrix.techniques"]\nmine = "half"' in toml
    assert 'py-modules = ["half"]' in toml


def test_the_rule_passes_the_test_that_is_shown(rules: None) -> None:
    data = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    names: dict[str, Any] = {"keras": keras, "optim": optim, "images": data}
    code = [block for block in blocks("python") if not block.startswith("# half.py")]
    for block in code:
        exec(compile(block, "extending.md", "exec"), names)
    names["test_a_scale_folds_into_the_convolution"]()
