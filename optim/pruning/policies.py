"""Policies: which layers are worth pruning for a purpose, and in which models.

A policy is an object with tfmot's two methods, `allow_pruning(layer)` and
`ensure_model_supports_pruning(model)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from optim._keras import keras
from optim.errors import ConfigError, Problem, UnsupportedModelError
from optim.models.class_tables import nearest

__all__ = ["POLICIES", "LatencyXNNPack", "policy_for"]

_layers = keras.layers


class LatencyXNNPack:
    """Prune what XNNPACK then runs faster: 1x1 convolutions in a network it can run sparse.

    XNNPACK multiplies sparse 1x1 convolutions in channels-first order, and only if all from
    a first 3x3 convolution to the global mean is work that it knows in that order. Then about
    70 % of zeros and more pay off. The rules are those of tfmot's `PruneForLatencyOnXNNPack`,
    with these differences: all problems are reported at once; nested models are looked into;
    layers of other models that share layers do not count; a 1x1 `Conv2DTranspose`, a strided
    or a grouped 1x1 convolution is not pruned, for nothing gets faster by it.

    Sources: E. Elsen et al., Fast sparse ConvNets, 2019 (arXiv 1911.09723); TensorFlow
    Lite's XNNPACK delegate, README, "Sparse inference"; `xnn_subgraph_rewrite_for_nchw` in
    XNNPACK's subgraph.c.
    """

    def allow_pruning(self, layer: Any) -> bool:
        """Whether the layer is a 1x1 convolution that XNNPACK can run sparse."""
        return not isinstance(layer, _layers.Conv2DTranspose) and (
            isinstance(layer, _layers.Conv2D) and not _conv(layer)
        )

    def ensure_model_supports_pruning(self, model: Any) -> None:
        """Check the network from its first convolution to its global mean.

        Raises:
            UnsupportedModelError: with all that stands against sparse inference.
        """
        from optim.graph.reader import read

        graph = read(model)
        nodes = [value.node for value in graph.flat_inputs]
        starts, missing = _search(nodes, _is_start, _consumers)
        problems = []
        if missing or not starts:
            problems.append(
                Problem(
                    model.name,
                    "not every input leads to a 3x3 Conv2D of 3 channels with strides 2 and "
                    "padding 'valid' after ZeroPadding2D(1)",
                    "start the network with ZeroPadding2D(1) and such a convolution",
                )
            )
        ends, missing = _search([v.node for v in graph.flat_outputs], _is_end, _producers)
        if missing or not ends:
            problems.append(
                Problem(
                    model.name,
                    "not every output comes from a GlobalAveragePooling2D",
                    "end the convolutional part with GlobalAveragePooling2D(keepdims=True)",
                )
            )
        within = _between(starts or nodes, ends)
        for node in graph.nodes:
            reason = _reason(node) if node in within else ""
            if reason:
                remedy = "replace it by what XNNPACK runs in channels-first order"
                problems.append(Problem(node.path, reason, remedy))
        if problems:
            raise UnsupportedModelError(
                problems,
                f"{model.name!r} would not run sparse on XNNPACK, so that pruning it for latency "
                f"gains nothing ({len(problems)} problem(s))",
            )


POLICIES: dict[str, Callable[[], Any]] = {"latency-xnnpack": LatencyXNNPack}
"""Name -> what makes the policy."""


def policy_for(policy: Any) -> Any:
    """Return the policy object for a name or an object; None for None.

    Raises:
        ConfigError: no such name, or an object without the two methods of a policy.
    """
    if policy is None:
        return None
    if isinstance(policy, str):
        if policy not in POLICIES:
            raise ConfigError(f"policy={policy!r}: choose one of {', '.join(POLICIES)}")
        return POLICIES[policy]()
    methods = ("allow_pruning", "ensure_model_supports_pruning")
    if isinstance(policy, type) or not all(callable(getattr(policy, m, None)) for m in methods):
        raise ConfigError(f"policy: {policy!r} has no methods {' and '.join(methods)}")
    return policy


# -- the network ----------------------------------------------------------------------------


def _consumers(node: Any) -> list[Any]:
    return [user for value in node.outputs for user in value.uses]


def _producers(node: Any) -> list[Any]:
    return [value.node for value in node.inputs]


def _search(
    nodes: Iterable[Any], found: Callable[[Any], bool], following: Callable[[Any], list[Any]]
) -> tuple[set[Any], bool]:
    """Walk from the nodes on; return where `found` holds, and whether a path missed it."""
    seen, hits, missed = set(nodes), set(), False
    stack = list(seen)
    while stack:
        node = stack.pop()
        if found(node):
            hits.add(node)
            continue
        others = following(node)
        missed = missed or not others
        new = [other for other in others if other not in seen]
        seen.update(new)
        stack.extend(new)
    return hits, missed


def _between(starts: Iterable[Any], ends: set[Any]) -> set[Any]:
    seen: set[Any] = set()
    stack = [user for node in starts for user in _consumers(node)]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend([] if node in ends else _consumers(node))
    return seen


def _padding_before(node: Any) -> tuple[tuple[int, int], tuple[int, int]] | None:
    producers = _producers(node)
    if len(producers) == 1 and isinstance(producers[0].layer, _layers.ZeroPadding2D):
        padding: tuple[tuple[int, int], tuple[int, int]] = producers[0].layer.padding
        return padding
    return None


def _is_start(node: Any) -> bool:
    layer = node.layer
    return (
        isinstance(layer, _layers.Conv2D)
        and tuple(getattr(layer, "kernel", _NO_KERNEL).shape[:3]) == (3, 3, 3)
        and layer.strides == (2, 2)
        and layer.padding.lower() == "valid"
        and _padding_before(node) == ((1, 1), (1, 1))
    )


class _NO_KERNEL:
    shape = ()


def _is_end(node: Any) -> bool:
    return isinstance(node.layer, _layers.GlobalAveragePooling2D)


# -- the rules ------------------------------------------------------------------------------


def _conv(layer: Any) -> str:
    if layer.kernel_size == (1, 1) and layer.strides == layer.dilation_rate == (1, 1):
        return "" if layer.groups == 1 else f"a 1x1 convolution in {layer.groups} groups"
    height, width = layer.kernel_size
    return (
        f"a {height}x{width} convolution with strides {layer.strides} and dilation "
        f"{layer.dilation_rate}: only 1x1 with neither runs sparse"
    )


def _depthwise(node: Any) -> str:
    layer = node.layer
    size = layer.kernel_size[0]
    half = size // 2
    same = layer.padding.lower() == "same" and layer.strides == (1, 1)
    padded = (
        layer.padding.lower() == "valid"
        and layer.strides in ((1, 1), (2, 2))
        and _padding_before(node) == ((half, half), (half, half))
    )
    if (
        layer.kernel_size in ((3, 3), (5, 5))
        and layer.depth_multiplier == 1
        and layer.dilation_rate == (1, 1)
        and (same or padded)
    ):
        return ""
    return (
        f"a depthwise convolution of {layer.kernel_size} with strides {layer.strides} and padding "
        f"{layer.padding!r}: only 3x3 and 5x5, 'same' with strides 1 or 'valid' after "
        "ZeroPadding2D of half the size"
    )


def _activation(node: Any) -> str:
    name = getattr(node.layer.activation, "__name__", repr(node.layer.activation))
    known = ("relu", "relu6", "leaky_relu", "elu", "sigmoid", "linear")
    return "" if name in known else f"the activation {name!r}"


def _op(node: Any) -> str:
    name = node.symbol or getattr(node.layer.function, "__name__", "?")
    known = ("identity", "add", "subtract", "multiply")
    return "" if name.rpartition(".")[2] in known else f"the operation {name!r}"


RULES: dict[type, Callable[[Any], str]] = {
    _layers.Conv2D: lambda node: _conv(node.layer),
    _layers.DepthwiseConv2D: _depthwise,
    _layers.Activation: _activation,
    _layers.BatchNormalization: lambda node: (
        "" if list(node.layer.axis) == [3] else f"normalization of axis {list(node.layer.axis)}"
    ),
    _layers.GlobalAveragePooling2D: lambda node: "" if node.layer.keepdims else "keepdims=False",
    _layers.UpSampling2D: lambda node: (
        "" if node.layer.interpolation == "bilinear" else "upsampling other than bilinear"
    ),
    **dict.fromkeys(
        (
            _layers.Add,
            _layers.Multiply,
            _layers.ZeroPadding2D,
            _layers.ReLU,
            _layers.LeakyReLU,
            _layers.ELU,
            _layers.Dropout,
            _layers.InputLayer,
        ),
        lambda node: "",
    ),
}
"""Layer class -> function of its node that returns why it cannot run, or ''."""


def _reason(node: Any) -> str:
    layer = getattr(node.layer, "layer", node.layer)  # a layer that is pruned already
    if isinstance(layer, _layers.Conv2DTranspose):
        return "a transposed convolution"
    if type(layer).__name__ == "TFOpLambda":
        return _op(node)
    rule = nearest(RULES, type(layer).__mro__)
    return rule(node) if rule else f"{type(layer).__name__} does not run in channels-first order"
