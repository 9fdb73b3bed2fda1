"""What to write to get what a technique gives: lines of Python, by technique."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.checking.asked import Asked


@dataclass(frozen=True)
class Recipe:
    """How to do by hand what a technique does.

    Attributes:
      what: in a few words.
      lines: after `model` and `data` are there; ``{file}`` is the file to write, ``{shape}``
        an argument with the sizes of inputs, or nothing.
      exact: the same, so that the very file of the check comes out of it; empty: training left
        a trace in that file, and only the check itself does the same again.
    """

    what: str
    lines: tuple[str, ...]
    exact: tuple[str, ...] = ()

    @property
    def takes_data(self) -> bool:
        return any("data" in line for line in self.lines)


def _ptq(mode: str, what: str, data: bool = False) -> Recipe:
    ranges = ", representative_data=data" if data else ""
    line = f'optim.export(model, "{{file}}"{{shape}}, optimize="{mode}"{ranges})'
    return Recipe(what, (line,), (line,))


_EXPORT = 'optim.export(model, "{file}"{shape})'

RECIPES: Mapping[str, Recipe] = {
    "float": Recipe("no quantization", (_EXPORT,), (_EXPORT,)),
    "ptq-int8": _ptq("int8", "int8 weights and activations, ranges from data", data=True),
    "ptq-dynamic": _ptq("dynamic", "int8 weights, activations quantized as they come"),
    "ptq-float16": _ptq("float16", "float16 weights"),
    "qat": Recipe(
        "quantization-aware training",
        (
            "model = optim.quantize_model(model, calibration_data=data)",
            "# model.compile(...) and model.fit(...) as ever",
            _EXPORT,
        ),
        (
            "model = optim.quantize_model(model)",
            "optim.calibrate(model, data)",
            _EXPORT,
        ),
    ),
    "prune": Recipe(
        "half of the weights are zero",
        (
            "model = optim.prune_low_magnitude(model)",
            "# model.compile(...); model.fit(..., callbacks=optim.get_pruning_callbacks())",
            _EXPORT,
        ),
    ),
    "prune-2x4": Recipe(
        "two of four weights are zero",
        (
            "model = optim.prune_low_magnitude(model, sparsity_m_by_n=(2, 4))",
            "# model.compile(...); model.fit(..., callbacks=optim.get_pruning_callbacks())",
            _EXPORT,
        ),
    ),
    "cluster": Recipe(
        "few different weights",
        (
            "model = optim.cluster_weights(model)",
            "# model.compile(...) and model.fit(...) as ever",
            _EXPORT,
        ),
    ),
}


def written(technique: str, asked: Asked) -> list[str]:
    """Return the lines that do what a technique does, ready to be copied; none if unknown."""
    recipe = RECIPES.get(technique)
    if recipe is None:
        return []
    file = f"{asked.source.name}-{technique}.tflite"
    data = _data(asked) if recipe.takes_data else ""
    return [
        *(["import numpy"] if "numpy." in data else []),
        "import optim",  # before what may import TensorFlow
        *importing(asked),
        opening(asked),
        *([f"data = {data}"] if data else []),
        *(line.format(file=file, shape="") for line in recipe.lines),
    ]


def opening(asked: Asked) -> str:
    """Return the line that makes `model`."""
    source = asked.source
    if not source.path:
        module, _, function = source.word.partition(":")
        return f"from {module} import {function}; model = {function}()"
    options = "".join(
        [
            f", custom_objects={{{', '.join(_custom(word) for word in asked.custom)}}}"
            if asked.custom
            else "",
            ", safe_mode=False" if asked.trust else "",
        ]
    )
    return f"model = optim.load_model({source.word!r}{options})"


def importing(asked: Asked) -> list[str]:
    """Return the lines before that one, which the classes it names need."""
    return [f"import {word.partition(':')[0]}" for word in asked.custom]


def _custom(word: str) -> str:
    module, _, name = word.partition(":")
    return f"{name!r}: {module}.{name}"


def _data(asked: Asked) -> str:
    """Return an expression for inputs."""
    word, path = asked.data.word, asked.data.path
    if path.endswith(".npy"):
        return f"numpy.load({word!r})"
    if path.endswith(".npz"):
        return f"[list(numpy.load({word!r}).values())]"
    if word and not path:
        module, _, function = word.partition(":")
        return f"__import__({module!r}, fromlist=['_']).{function}()"
    return "...  # batches of inputs such as the model will see, a few hundred in all"
