"""Rules for normalizations that LiteRT has no operation for."""

from __future__ import annotations

from typing import Any

from optim._keras import keras, tf
from optim.engine.graph import Graph, Node, Value
from optim.engine.kinds import activation_name, has_plain_call, is_linear, weights_of
from optim.engine.layers import AddConstant, LoneBatchNormalization, Mean, Rsqrt, SquaredDifference
from optim.engine.lower.affine import add_affine
from optim.engine.lower.registry import Result, rule

K = keras.layers


@rule(K.LayerNormalization)
def layer_normalization(graph: Graph, node: Node) -> Result:
    """Mean, variance, quotient and affine part, each an int8 operation."""
    layer, x = node.layer, node.inputs[0]
    axes = list(layer.axis) if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    if x.rank is None or x.rank < 2 or x.channels is None or graph.is_shared(node):
        return None
    if [a % x.rank for a in axes] != [x.rank - 1] or x.spec.dtype != tf.float32:
        return None
    if not has_plain_call(node):
        return None
    weights = iter(weights_of(node))
    gamma = next(weights) if layer.scale else 1.0
    beta = next(weights) if layer.center else 0.0
    reduced = tf.TensorSpec([*x.spec.shape[:-1], 1], x.spec.dtype)

    def add(new: Any, inputs: Any, spec: Any) -> Value:
        return graph.add(new, inputs, specs=spec).output

    def name(part: str) -> str:
        return graph.unique_name(f"{node.name}_{part}")

    mean = add(Mean(name=name("mean")), x, reduced)
    squares = add(SquaredDifference(name=name("squares")), [x, mean], x.spec)
    variance = add(Mean(name=name("variance")), squares, reduced)
    shifted = add(AddConstant(layer.epsilon, name=name("epsilon")), variance, reduced)
    factor = add(Rsqrt(layer.epsilon, name=name("rsqrt")), shifted, reduced)
    centred = add(K.Subtract(name=name("centred")), [x, mean], x.spec)
    normal = add(K.Multiply(name=name("normal")), [centred, factor], x.spec)
    if not (layer.scale or layer.center):
        return normal
    return add_affine(graph, normal, gamma, beta, node.name, trainable=layer.trainable)


@rule(K.BatchNormalization)
def lone_batch_normalization(graph: Graph, node: Node) -> Result:
    """One that follows no linear layer, or one whose output others see as well."""
    layer, x = node.layer, node.inputs[0]
    if type(layer) is not K.BatchNormalization or follows_linear(graph, node):
        return None
    axis = list(layer.axis) if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    if x.rank is None or x.rank < 2 or [a % x.rank for a in axis] != [x.rank - 1]:
        return None
    if x.channels is None or x.spec.dtype != tf.float32:
        return None
    config = {**layer.get_config(), "name": node.name}
    new = graph.derive(node, "lone", lambda: LoneBatchNormalization.from_config(config))
    weights = list(layer.weights if node.weights is None else node.weights)
    return graph.add(
        new, *node.args, kwargs=node.kwargs, specs=node.output.spec, weights=weights
    ).output


def follows_linear(graph: Graph, node: Node) -> bool:
    """Whether LiteRT will fold the batch normalization into the layer before it."""
    producer = node.inputs[0].node
    return (
        is_linear(producer)
        and activation_name(producer.layer.activation) == "linear"
        and graph.sole_use(node.inputs[0]) is node
    )
