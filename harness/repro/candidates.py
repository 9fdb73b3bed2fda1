"""Models that may show a failure, in lines of Python, the smallest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: By label: a model that has what the label is about. Whether it shows the failure, the run says.
SMALLEST: Mapping[str, tuple[str, ...]] = {
    "nested-model": (
        "inner = keras.Sequential([keras.layers.Dense(2, input_shape=(2,))])",
        "model = keras.Sequential([keras.Input((2,)), inner])",
    ),
    "batchnorm-placement": (
        "inputs = keras.Input((8, 8, 3))",
        "model = keras.Model(inputs, keras.layers.BatchNormalization()(inputs))",
    ),
    "unsupported-add": (
        "inputs = keras.Input((8, 8, 3))",
        "model = keras.Model(inputs, keras.layers.Conv2D(4, 3)(inputs) + 1.0)",
    ),
}


@dataclass(frozen=True)
class Candidate:
    """A model in lines that define ``model``.

    Attributes:
      says: what it is.
      lines: of Python.
      imports: what they need besides Keras.
    """

    says: str
    lines: tuple[str, ...]
    imports: tuple[str, ...] = ()


def by_label(label: str | None) -> Iterator[Candidate]:
    if label is not None and label in SMALLEST:
        yield Candidate("a model made for the label", SMALLEST[label])


def of_layers(layers: Sequence[Mapping[str, Any]]) -> Iterator[Candidate]:
    """Yield the layer at fault, alone and then with one more of those before it each time.

    Args:
      layers: as `harness.repro.describe` tells of them, the one at fault last.
    """
    for count in range(1, len(layers) + 1):
        chosen = layers[-count:]
        lines, imports = [], []
        shapes = chosen[0]["inputs"]
        if len(shapes) == 1:
            lines.append(f"inputs = keras.Input({_shape(shapes[0])})")
        else:
            lines.append(f"inputs = [{', '.join(f'keras.Input({_shape(s)})' for s in shapes)}]")
        value = "inputs"
        for number, one in enumerate(chosen):
            if one.get("import"):
                imports.append(one["import"])
            last = number == count - 1
            lines.append(f"{'outputs' if last else 'x'} = {one['call'].format(x=value)}")
            value = "x"
        lines.append("model = keras.Model(inputs, outputs)")
        says = "the layer at fault alone" if count == 1 else f"it, and the {count - 1} before it"
        yield Candidate(says, tuple(lines), tuple(dict.fromkeys(imports)))


def _shape(shape: Sequence[int | None]) -> str:
    return repr(tuple(shape))


def of_application(module: str, function: str, variant: str) -> Iterator[Candidate]:
    """Yield the application itself, if it is one that Keras has."""
    arguments = ["weights=None"]
    if variant == "notop":
        arguments += ["include_top=False", "input_shape=(None, None, 3)"]
    name = function
    if module.partition(".")[0] in ("tf_keras", "keras"):
        call = f"keras.applications.{name}({', '.join(arguments)})"
        yield Candidate("the application", (f"model = {call}",))
