"""Functions of Keras 3's backend that are noted as one call: what they are in a twin."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from optim._keras import keras
from optim.keras3.layers import RandomNumbers, TrainingSwitch
from optim.keras3.raw import function
from optim.keras3.tracing import SWITCH


def call_function(target: str, name: str, anchor: Any, args: Any, kwargs: Any) -> Any:
    """Call what stands for a function; return what it returns.

    Args:
        target: name of the function.
        name: of the layer.
        anchor: a Keras tensor, for those that are called with none.
        args, kwargs: what it is called with, Keras tensors among them.
    """
    if target in _RANDOM:
        return _RANDOM[target](name, *args, **kwargs, anchor=anchor)
    return _FUNCTIONS[target](name, *args, **kwargs)


def _gelu(name: str, x: Any, approximate: bool = True) -> Any:
    if approximate:
        return function("nn.gelu", name)(x, approximate=True)
    return keras.layers.Activation("gelu", name=name, dtype=x.dtype)(x)


def _softmax(name: str, x: Any, axis: Any = -1) -> Any:
    return function("nn.softmax", name)(x, axis=axis)


def _log_softmax(name: str, x: Any, axis: Any = -1) -> Any:
    return function("nn.log_softmax", name)(x, axis=axis)


def _switch(name: str, result: Any, trained: Any) -> Any:
    return TrainingSwitch(name=name, dtype=result.dtype)([result, trained])


def _silu(name: str, x: Any) -> Any:
    return function("nn.silu", name)(x)


def _uniform(
    name: str,
    shape: Any,
    minval: float = 0.0,
    maxval: float = 1.0,
    dtype: Any = None,
    seed: Any = None,
    *,
    anchor: Any,
) -> Any:
    return _random("uniform", name, anchor, shape, (minval, maxval), dtype)


def _normal(
    name: str,
    shape: Any,
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: Any = None,
    seed: Any = None,
    *,
    anchor: Any,
    kind: str = "normal",
) -> Any:
    return _random(kind, name, anchor, shape, (mean, stddev), dtype)


def _random(kind: str, name: str, anchor: Any, shape: Any, ends: Any, dtype: Any) -> Any:
    known = [None if _is_symbolic(n) else int(n) for n in shape]
    sizes = [n for n in shape if _is_symbolic(n)]
    low, high = ends
    numbers = dtype or keras.backend.floatx()
    layer = RandomNumbers(kind=kind, sizes=known, low=low, high=high, numbers=numbers, name=name)
    return layer(sizes if len(sizes) > 1 else sizes[0] if sizes else anchor)


def _dropout(
    name: str, x: Any, rate: float, noise_shape: Any = None, seed: Any = None, *, anchor: Any
) -> Any:
    layer = keras.layers.Dropout(float(rate), noise_shape=noise_shape, name=name, dtype=x.dtype)
    return layer(x, training=True)


def _is_symbolic(x: Any) -> bool:
    return isinstance(x, keras.__internal__.KerasTensor)


#: Of random functions: they are called with a tensor to hang on.
_RANDOM: dict[str, Callable[..., Any]] = {
    "uniform": _uniform,
    "normal": _normal,
    "truncated_normal": partial(_normal, kind="truncated_normal"),
    "dropout": _dropout,
}

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "gelu": _gelu,
    "silu": _silu,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    SWITCH: _switch,
}
