"""Models drawn at random from the ingredients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ingredients import INPUTS, STEPS

from optim._keras import keras

K = keras.layers
_LONGEST = 4

#: Layers that take several tensors of one shape.
_JOINS = ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")

_ENDS = {
    "image": lambda: K.GlobalAveragePooling2D(),
    "volume": lambda: K.GlobalAveragePooling3D(),
    "sequence": lambda: K.GlobalAveragePooling1D(),
}


@dataclass
class Drawn:
    """A model, what it was drawn from, and data for it."""

    steps: list[str]
    model: Any
    data: Any
    kinds: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{' + '.join(self.kinds)}: {' -> '.join(self.steps)}"


def draw(seed: int) -> Drawn:
    """Draw a model: chains of steps from one or two inputs, one or two outputs, a Dense at the end.

    Every third ends in a layer that has two outputs of the model behind it; every fourth joins two
    chains, and every second has a fork somewhere, whose branches are joined again. Steps are drawn
    in turn, so that as many seeds as there are steps have had each of them.
    """
    rng = np.random.default_rng(seed)
    names = sorted(STEPS)
    first = names[seed % len(names)]
    steps: list[str] = []
    chains, inputs, kinds = [], [], []
    for number in range(2 if seed % 4 == 3 else 1):
        start = first if number == 0 else names[rng.integers(len(names))]
        kind = STEPS[start].takes
        x = keras.Input(INPUTS[kind], dtype="int32" if kind == "ids" else None)
        inputs.append(x)
        kinds.append(kind)
        chosen, end = _chain(start, rng)
        fork = rng.integers(len(chosen)) if seed % 2 else -1
        for place, name in enumerate(chosen):
            x = STEPS[name].make()(x)
            steps.append(name)
            if place == fork:
                x, more = _forked(x, STEPS[name].gives, rng)
                steps += more
        while end != "vector":
            x, end = _ENDS[end]()(x), "vector"
        chains.append(x)
    x = chains[0] if len(chains) == 1 else K.Concatenate()([K.Dense(4)(c) for c in chains])
    outputs = [K.Dense(3, name="logits")(x)]
    if seed % 3 == 2:
        outputs.append(K.Dense(2, activation="sigmoid", name="second")(x))
    model = keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0])
    _give_values(model, rng)
    data = [_data(kind, rng) for kind in kinds]
    return Drawn(steps, model, data if len(data) > 1 else data[0], kinds)


def _chain(first: str, rng: np.random.Generator) -> tuple[list[str], str]:
    chosen, kind = [first], STEPS[first].gives
    # Two of the sizes that shrink could leave nothing; the chain of a volume ends soon.
    for _ in range(rng.integers(1, _LONGEST)):
        fitting = sorted(n for n, s in STEPS.items() if s.takes == kind and n not in chosen)
        name = fitting[rng.integers(len(fitting))]
        chosen.append(name)
        kind = STEPS[name].gives
    return chosen, kind


def _forked(x: Any, kind: str, rng: np.random.Generator) -> tuple[Any, list[str]]:
    """Two steps side by side, and a layer that joins what they give; nothing if they do not fit."""
    fitting = sorted(n for n, s in STEPS.items() if s.takes == s.gives == kind)
    if not fitting:
        return x, []
    names = [fitting[i] for i in rng.integers(len(fitting), size=2)]
    parts = [STEPS[name].make()(x) for name in names]
    join = _JOINS[rng.integers(len(_JOINS))]
    first, second = (part.shape for part in parts)
    if first != second:
        if first[:-1] != second[:-1]:
            return x, []
        join = "Concatenate"
    return getattr(K, join)()(parts), [f"{join}({', '.join(names)})"]


def _data(kind: str, rng: np.random.Generator, samples: int = 16) -> np.ndarray:
    shape = (samples, *INPUTS[kind])
    if kind == "ids":
        return rng.integers(0, 12, shape).astype("int32")
    return rng.normal(size=shape).astype("float32")


def _give_values(model: Any, rng: np.random.Generator) -> None:
    """Statistics and scales that are no neutral element; kernels stay as initialized."""
    for weight in model.weights:
        if not weight.dtype.is_floating:
            continue
        name = weight.name.split("/")[-1]
        if name.startswith(("gamma", "moving_variance")):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif name.startswith(("beta", "bias", "moving_mean")):
            weight.assign(rng.normal(0, 0.2, weight.shape))
