"""Parts of tensors that are lost because LiteRT has one scale for a whole tensor.

Where one part of a tensor is a thousandth of another, all of it lies within a step or two of the
scale. That does no harm where the small part counts for as little as it is; it does where what
takes the tensor weighs it up again: by a kernel, a normalization, a product. Both are looked at
here, the ranges of the channels as they come in and the weights that they meet, so that dead
channels and small ones, which any network has, are not spoken of.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.quantization.calibration.weighing import is_product, is_sum, shares, squared_gain

__all__ = ["REMEDY", "LostParts"]

FEW = 4.0
"""Steps. What has no more of them than these is two bits."""

MOST = 0.04
"""Share of what a layer computes that may be lost so: 14 dB."""

ROWS = 512
"""Rows of a batch that are looked at."""

REMEDY = (
    "parts of a tensor are lost, as int8 has one scale for all of it and its other parts are far "
    "larger. Bring them to like ranges: normalize the data before it goes into the model, give ids "
    "and signals inputs of their own, put a BatchNormalization into each branch; or leave the "
    "layers that are named float (skip=)"
)


class _Ends:
    """The least and the largest value of each part of a tensor, over all batches.

    Of a large batch not all rows are looked at: that costs time, and tells nothing new of ranges
    that are a hundred times too small.

    Args:
        by_place: whether each place in a sample is a part; else each channel.
    """

    def __init__(self, by_place: bool) -> None:
        self.by_place = by_place
        self.low: np.ndarray | None = None
        self.high: np.ndarray | None = None
        self.is_known = True

    def see(self, x: np.ndarray) -> None:
        if not (self.is_known and x.size and x.ndim):
            return
        rows = x if self.by_place else x.reshape(-1, x.shape[-1])
        # An odd number of rows on: an even one would go down the same few columns of an image.
        rows = rows[:: (len(rows) // ROWS) | 1]
        low, high = rows.min(0, initial=0.0), rows.max(0, initial=0.0)
        if self.low is None or self.high is None:
            self.low, self.high = low, high
        elif self.low.shape != low.shape:  # places of images of several sizes are no parts
            self.is_known = False
        else:
            self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)

    @property
    def spans(self) -> np.ndarray:
        """The range of each part, which contains 0 as that of the whole does."""
        assert self.low is not None
        assert self.high is not None
        spans: np.ndarray = np.asarray(self.high, np.float64) - self.low
        return spans


@dataclass
class _Scale:
    """The quantizer that the values of a tensor were last rounded by."""

    layer: Any
    quantizer: Any
    variables: dict[str, Any]

    @cached_property
    def step(self) -> float:
        """Its step, once the range is set; on the grid of a chain, half as large again at most."""
        low, high = (float(self.variables[end].numpy()) for end in ("min_var", "max_var"))
        return float((high - low) / (2**self.quantizer.num_bits - 1))


@dataclass
class _Taker:
    """A layer of the model, and the tensors that it takes.

    Attributes:
        node: the call, as Keras recorded it.
        users: the calls that take what it puts out.
        scales: of each tensor; None where it has none of its own.
        ends: of each tensor.
    """

    node: Any
    users: list[Any]
    scales: list[_Scale | None]
    ends: list[_Ends] = field(default_factory=list)

    @property
    def layer(self) -> Any:
        return self.node.layer

    def see(self, inputs: Any) -> None:
        for ends, x in zip(self.ends, tf.nest.flatten(inputs), strict=False):
            if x.shape.rank and x.dtype.is_floating:
                ends.see(np.asarray(x))


class LostParts:
    """Watches what goes into the layers of a quantization-aware model, as it is calibrated.

    Args:
        model: from `quantize_model`, or from tfmot's.
    """

    def __init__(self, model: Any) -> None:
        nodes = [n for depth in getattr(model, "_nodes_by_depth", {}).values() for n in depth]
        calls: dict[int, list[Any]] = {}
        users: dict[int, list[Any]] = {}
        for node in nodes:
            calls.setdefault(id(node.layer), []).append(node)
            for tensor in node.keras_inputs:
                users.setdefault(id(tensor._keras_history.layer), []).append(node)
        # What a shared layer takes has several scales, and its calls are not told apart.
        once = [found[0] for found in calls.values() if len(found) == 1]
        takers = (_taker(node, users.get(id(node.layer), [])) for node in once)
        self.takers = [taker for taker in takers if taker is not None]

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within it, inputs are looked at. Done on the layers themselves, not on classes."""
        before = [taker.layer.__dict__.get("call") for taker in self.takers]
        try:
            for taker in self.takers:
                taker.layer.__dict__["call"] = _Seen(taker, taker.layer.call)
            yield
        finally:
            for taker, call in zip(self.takers, before, strict=True):
                taker.layer.__dict__.pop("call", None)
                if call is not None:
                    taker.layer.__dict__["call"] = call

    def found(self) -> list[str]:
        """What is lost, one text a layer; once the ranges of the model are set."""
        texts = (text for taker in self.takers for text in _lost(taker))
        return list(dict.fromkeys(texts))


class _Seen:
    def __init__(self, taker: _Taker, call: Any) -> None:
        self.taker = taker
        self.call = call

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        self.taker.see(inputs)
        return self.call(inputs, *args, **kwargs)


def _inner(layer: Any) -> Any:
    return getattr(layer, "layer", layer) if hasattr(layer, "quantize_config") else layer


def _taker(node: Any, users: list[Any]) -> _Taker | None:
    layer = _inner(node.layer)
    if not (is_sum(layer) or is_product(layer)):
        return None
    scales = [_scale(tensor) for tensor in node.keras_inputs]
    # What is multiplied by a number of a fixed range, such as a sigmoid, is not made larger.
    if not (all(scales) if is_product(layer) else any(scales)):
        return None
    return _Taker(node, users, scales, [_Ends(is_product(layer)) for _ in scales])


def _scale(tensor: Any) -> _Scale | None:
    """The scale of a tensor, looked for through what only moves values."""
    layer, number, _ = tensor._keras_history
    node = layer._inbound_nodes[number]
    own = _own_scale(layer, node)
    if own is not None or layer.weights or len(node.keras_inputs) != 1:
        return own
    return _scale(node.keras_inputs[0])


def _own_scale(layer: Any, node: Any) -> _Scale | None:
    if hasattr(layer, "quantizer_vars"):
        quantizer, variables = layer.quantizer, layer.quantizer_vars
        if isinstance(variables, list):  # of a chain: one call each
            variables = variables[(node.call_kwargs or {}).get("position", -1)]
    elif getattr(layer, "_output_quantizers", None):
        # tfmot keeps the variables of one quantizer only, as they are.
        known = layer._output_quantizer_vars
        quantizer = layer._output_quantizers[0]
        variables = known[0] if isinstance(known, (list, tuple)) else known
    else:
        return None
    if not isinstance(variables, dict) or "min_var" not in variables:  # a range that is fixed
        return None
    return _Scale(layer, quantizer, variables)


def _lost(taker: _Taker) -> Iterator[str]:
    seen = [ends.low is not None and ends.is_known for ends in taker.ends]
    if not all(seen):
        return
    if is_product(_inner(taker.layer)):
        yield from _lost_of_product(taker)
        return
    scale, spans = taker.scales[0], taker.ends[0].spans
    if scale is None or not _may_be_lost(scale, spans):
        return
    weights = shares(_inner(taker.layer), spans.size, _gain_behind(taker))
    if weights is None:
        return
    few, share = _share(scale.step, spans, np.sqrt(weights))
    if share > MOST:
        # Not each small channel: those that nothing is made of are not missed.
        counts = few & (weights * spans**2 > 1e-3 * np.sum(weights * spans**2) / spans.size)
        where = _channels(np.flatnonzero(counts), taker.node.keras_inputs[0])
        yield _text(taker, scale, where, spans[counts].max(initial=0.0), share)


def _lost_of_product(taker: _Taker) -> Iterator[str]:
    sizes = [np.maximum(np.abs(e.low), np.abs(e.high)) for e in taker.ends]  # type: ignore[arg-type]
    for i, (scale, ends) in enumerate(zip(taker.scales, taker.ends, strict=True)):
        if scale is None or not _may_be_lost(scale, ends.spans):
            continue
        others = np.asarray(1.0)
        for other in sizes[:i] + sizes[i + 1 :]:
            others = others * other.astype(np.float64)
        spans, others = np.broadcast_arrays(ends.spans, others)
        few, share = _share(scale.step, spans, others)
        if share > MOST:
            where = f"{np.mean(few):.0%} of its places"
            yield _text(taker, scale, where, spans[few].max(initial=0.0), share)


def _may_be_lost(scale: _Scale, spans: np.ndarray) -> bool:
    return bool(scale.step > 0.0 and np.any((spans > 0.0) & (spans < FEW * scale.step)))


def _share(step: float, spans: np.ndarray, factors: np.ndarray) -> tuple[np.ndarray, float]:
    """Which parts have few steps, and how much of all that is computed is lost with them.

    What is rounded is wrong by up to a step, but no more than there is of it.
    """
    few = (spans > 0.0) & (spans < FEW * step)
    total = np.sum((factors * spans) ** 2)
    lost = np.sum((factors[few] * np.minimum(spans[few], step)) ** 2)
    return few, float(lost / total) if total else 0.0


def _gain_behind(taker: _Taker) -> np.ndarray | None:
    """What a normalization, fused with the layer, makes of its outputs."""
    return squared_gain(_inner(taker.users[0].layer)) if len(taker.users) == 1 else None


def _text(taker: _Taker, scale: _Scale, where: str, span: float, share: float) -> str:
    return (
        f"{taker.layer.name} gets {where} of {_named(scale.layer)} with {span / scale.step:.2g} "
        f"steps at most, and {share:.0%} of what it computes of them is lost"
    )


def _named(layer: Any) -> str:
    """The layer whose output a quantizer rounds."""
    if hasattr(layer, "quantizer") and len(layer._inbound_nodes) == 1:
        before = layer._inbound_nodes[0].keras_inputs
        if len(before) == 1:
            return str(before[0]._keras_history.layer.name)
    return str(layer.name)


def _channels(numbers: np.ndarray, tensor: Any) -> str:
    """`channels 0-5, 9 ('branch')`: with the branches of a concatenation that they are of."""
    runs = [
        [number for _, number in run]
        for _, run in itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])
    ]
    names = [f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs]
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    branches = _branches(numbers, tensor)
    return f"channels {listed}" + (f" ({', '.join(branches)})" if branches else "")


def _branches(numbers: np.ndarray, tensor: Any) -> Sequence[str]:
    """The names of what was concatenated, where the numbers count its channels."""
    while True:
        layer, number, _ = tensor._keras_history
        before = layer._inbound_nodes[number].keras_inputs
        if len(before) != 1:
            break
        if before[0].shape[-1] != tensor.shape[-1]:
            return ()
        tensor = before[0]
    if not isinstance(_inner(layer), keras.layers.Concatenate):
        return ()
    if _inner(layer).axis not in (-1, len(tensor.shape) - 1):
        return ()
    ends = np.cumsum([part.shape[-1] for part in before])
    which = np.unique(np.searchsorted(ends, numbers, side="right"))
    return [str(before[i]._keras_history.layer.name) for i in which]
