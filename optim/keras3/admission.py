"""What is refused before anything is built of it."""

from __future__ import annotations

from typing import Any

from optim.errors import Problem, UnsupportedModelError
from optim.keras3.equals import NoEqual


def check_loop(layer: Any, name: str, reason: NoEqual) -> None:
    """Refuse a recurrent layer without equal: the loop over its steps is none of operations."""
    if hasattr(layer, "cell") and not layer.unroll:
        problem = Problem(
            layer.name,
            f"a {name} has no equal: {reason}, and a loop over steps cannot be written out",
            "build it with unroll=True, or without what is named",
        )
        raise UnsupportedModelError([problem], "from_keras3: the model has no twin")


def check_built(model: Any) -> None:
    if not model.built:
        problem = Problem(
            model.name,
            "is not built, and so has no weights yet",
            "build the model first: model.build(input_shape), or call it on a batch",
        )
        raise UnsupportedModelError([problem], f"from_keras3: {model.name!r} cannot be converted")
