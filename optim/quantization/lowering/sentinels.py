"""Masks by a number so large that a softmax gives 0: a smaller one gives 0 as well, and fits int8.

`scores - 1e9 * mask` and its like. A range that has room for the number leaves none for anything
else, and of a sum whose terms are so unlike LiteRT keeps the larger one only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.graph.graph import Graph, Node, Value
from optim.graph.parameter import Parameter
from optim.quantization.activation_facts import activation_name
from optim.quantization.lowering.affine import operands
from optim.quantization.lowering.calls import add_parameter, function_layer
from optim.quantization.lowering.registry import Result, rule
from optim.quantization.lowering.statics import static
from optim.quantization.node_facts import constant

__all__ = ["is_masked_scores"]

K = keras.layers

#: From here on a number is no value, but says that there is none.
_LARGE = 1e4

#: What stands for it where it is added: `exp(-128)` vanishes beside everything.
_ADDED = 128.0

#: The same where it takes the place of a value, whatever that was.
_CHOSEN = 1e4 - 1

_SUMS = ("math.add", "__operators__.add", "math.subtract")
_CHOICES = ("where", "compat.v1.where")
_HANDS_ON = (
    "reshape", "expand_dims", "squeeze", "cast", "identity", "tile", "broadcast_to", "transpose",
    "__operators__.getitem", "stop_gradient", "compat.v1.expand_dims",
)  # fmt: skip


def is_masked_scores(graph: Graph, node: Node) -> bool:
    """Whether its output goes into a softmax alone, and may have sentinels in it."""
    adds = node.symbol in (*_SUMS, *_CHOICES) or isinstance(node.layer, (K.Add, K.Subtract))
    after = graph.sole_use(node.output) if adds and len(node.outputs) == 1 else None
    while after is not None and (after.symbol in _HANDS_ON or isinstance(after.layer, K.Reshape)):
        after = graph.sole_use(after.output)
    return after is not None and _is_softmax(after)


def _is_softmax(node: Node) -> bool:
    """Whether it is a softmax, of whatever form."""
    if isinstance(node.layer, K.Activation):
        return activation_name(node.layer.activation) == "softmax"
    return isinstance(node.layer, K.Softmax) or node.symbol in (
        "nn.softmax",
        "compat.v1.nn.softmax",
    )


def _masks(value: Value, summed: bool = False, steps: int = 12) -> bool:
    """Whether a value does nothing but mask what goes into a softmax."""
    if not value.uses or not steps:
        return False
    return all(_goes_on(node, summed, steps - 1) for node in value.uses)


def _goes_on(node: Node, summed: bool, steps: int) -> bool:
    if _is_softmax(node):
        return summed
    adds = node.symbol in (*_SUMS, *_CHOICES) or isinstance(node.layer, (K.Add, K.Subtract))
    if adds or node.symbol in _HANDS_ON or isinstance(node.layer, (K.Reshape, K.Permute)):
        return _masks(node.output, summed or adds, steps)
    return False


@rule("math.multiply")
def product_with_a_sentinel(graph: Graph, node: Node) -> Result:
    """`mask * -1e9`, which is added to scores somewhere."""
    x, y = operands(node)
    for value, other in ((x, y), (y, x)):
        number = constant(other)
        if not isinstance(value, Value) or number is None or number.size != 1:
            continue
        if abs(float(number)) < _LARGE or not _masks(node.output):
            return None
        smaller = float(np.sign(number) * _ADDED)
        known = static(value)
        if known is not None:
            return add_parameter(graph, known * np.float32(smaller), node.name, False)
        layer = function_layer("math.multiply", node.name)
        return graph.add(layer, value, smaller, specs=node.output.spec).output
    return None


@rule(*_SUMS)
def sum_with_a_sentinel(graph: Graph, node: Node) -> Result:
    """`scores + mask`, of a constant mask with -1e9 or -inf in it."""
    args = list(node.args[:2])
    if len(args) < 2 or node.kwargs.get("x") is not None or not _goes_on(node, True, 12):
        return None
    for place, one in enumerate(args):
        array = _numbers(one)
        computed = isinstance(one, Value) and not isinstance(one.node.layer, Parameter)
        if array is None or not (computed or np.any(np.abs(array) >= _LARGE)):
            continue
        smaller = np.clip(array, -_ADDED, _ADDED).astype(np.float32)
        args[place] = add_parameter(graph, smaller, f"{node.name}_mask", False)
        layer = function_layer(node.symbol, node.name)
        return graph.add(layer, *args, specs=node.output.spec).output
    return None


@rule(*_CHOICES)
def choice_of_a_sentinel(graph: Graph, node: Node) -> Result:
    """`tf.where(mask, scores, -1e9)`."""
    names = ("condition", "x", "y")
    given: dict[str, Any] = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    if not _goes_on(node, True, 12):
        return None
    for name in names[1:]:
        array = _numbers(given.get(name))
        if array is not None and np.any(np.abs(array) > _CHOSEN):
            smaller = np.clip(array, -_CHOSEN, _CHOSEN).astype(np.float32)
            given[name] = float(smaller) if smaller.ndim == 0 else smaller
            arguments = {key: one for key, one in given.items() if key != "condition"}
            layer = function_layer("where", node.name)
            return graph.add(
                layer, given["condition"], specs=node.output.spec, kwargs=arguments
            ).output
    return None


def _numbers(x: Any) -> np.ndarray | None:
    """The floating-point constant that an argument is, or follows to be."""
    array = static(x) if isinstance(x, Value) else constant(x)
    return array.astype(np.float64) if array is not None and array.dtype.kind in "fiub" else None


@rule(K.Softmax)
def masked_softmax(graph: Graph, node: Node) -> Result:
    """A softmax that is given a mask, as the sum and the softmax that it is."""
    given = [one for one in (*node.args, *node.kwargs.values()) if one is not None]
    if len(given) != 2 or not isinstance(given[0], Value):
        return None
    x, mask = given
    known = _numbers(mask)
    if known is None and not isinstance(mask, Value):
        return None

    def call(symbol: str, what: str, *args: Any, **kwargs: Any) -> Value:
        layer = function_layer(symbol, graph.unique_name(f"{node.name}_{what}"))
        shape = args[-1].shape if isinstance(args[-1], Value) else args[0].shape
        spec = tf.TensorSpec(shape, x.spec.dtype)
        return graph.add(layer, *args, specs=spec, kwargs=kwargs).output

    if known is not None:
        numbers = ((1.0 - known) * -_ADDED).astype(np.float32)
        lowered = add_parameter(graph, numbers, graph.unique_name(f"{node.name}_mask"), False)
    else:
        dtype = x.spec.dtype.name
        kept = mask if mask.spec.dtype == x.spec.dtype else call("cast", "kept", mask, dtype=dtype)
        masked = call("math.subtract", "masked", 1.0, kept)
        lowered = call("math.multiply", "mask", masked, -_ADDED)
    layer = function_layer("math.add", graph.unique_name(f"{node.name}_scores"))
    scores = graph.add(layer, x, lowered, specs=x.spec).output
    softmax = type(node.layer).from_config({**node.layer.get_config(), "name": node.name})
    return graph.add(softmax, scores, specs=node.output.spec).output
