"""Random weights under which a whole-network figure means something.

An untrained network is no trained one with other numbers. As initialised, or with its
BatchNormalization statistics taken from data, its signals die away, or a difference of one
step at the input is larger at every layer, and a SQNR at the end says how long the network
is, not how well it was quantized. What makes trained networks behave is imitated here, with
nothing but the shapes of the weights and one batch of images:

- *Smooth filters.* Images are smooth, quantization noise is white. The taps of a random
  filter cancel each other: it takes the signal away and lets the noise pass. So all taps of
  a spatial filter get one sign, that of the centre, and every depthwise filter gets a gain
  of 1 on what is constant, so that no channel drowns the others.
- *Scale without centring.* Each BatchNormalization divides by the root mean square of its
  whole input tensor and subtracts nothing. Per channel, weak channels would be amplified
  with the noise in them; centred, the network would be chaotic.
- *Small signals.* It divides by sixteen times that, for the same reason that training
  starts with small weights: a swish of a large signal times the gate computed from it
  multiplies errors.
- *No normalization.* In a network without any (VGG) nothing takes back what filters of one
  sign amplify: after thirteen convolutions and three matrix products a loss is 1e9, and one
  step of training makes it infinite. There each kernel is divided by the root mean square
  of what it computes.
- *Residual branches that count.* A layer scale is initialised so small that its branch
  adds nothing: it gets a tenth.

Of 20 applications tried so, small and large, fake-quant models are 20 to 42 dB from their
float ones after calibration on the same eight photographs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

#: Root mean square of what leaves a BatchNormalization.
SIGNAL = 1 / 16

#: What a layer scale is set to.
BRANCH = 0.1


def condition(model: Any, images: Any) -> None:
    """Condition the weights of a freshly built model, in place.

    Args:
      model: a `tf_keras.Model` with random weights, at its initial values.
      images: a batch that it takes, photographs for preference; the statistics of its
        BatchNormalization layers follow from it.
    """
    for layer in model._flatten_layers():
        for weight in getattr(layer, "_trainable_weights", ()):
            change = _CHANGES.get(weight.name.rpartition("/")[2].partition(":")[0])
            if change is not None:
                weight.assign(change(weight.numpy()))
    if not scale_only(model, images, SIGNAL) and not _normalizes(model):
        scale_kernels(model, images)


def _smooth(kernel: Any) -> Any:
    """Give all taps of each filter the sign of its centre; shape ``(*spatial, in, out)``."""
    import numpy as np

    spatial = kernel.shape[:-2]
    if not spatial or max(spatial) == 1:
        return kernel
    centre = kernel[tuple(size // 2 for size in spatial)]
    return np.abs(kernel) * np.where(centre < 0, -1.0, 1.0)


def _smooth_with_unit_gain(kernel: Any) -> Any:
    import numpy as np

    smooth = _smooth(kernel)
    gain = np.abs(smooth).sum(axis=tuple(range(smooth.ndim - 2)), keepdims=True)
    return smooth / np.maximum(gain, 1e-12)


def _branch(gamma: Any) -> Any:
    import numpy as np

    return np.full_like(gamma, BRANCH) if np.abs(gamma).max() < BRANCH else gamma


#: By the last word of a weight's name.
_CHANGES: dict[str, Callable[[Any], Any]] = {
    "kernel": _smooth,
    "depthwise_kernel": _smooth_with_unit_gain,
    "gamma": _branch,
}


def scale_only(model: Any, images: Any, signal: float) -> int:
    """Set the statistics of each BatchNormalization from what it gets, in one forward pass.

    Args:
      model: its moving means become 0, its moving variances one number per layer.
      images: a batch that it takes.
      signal: root mean square of what leaves a BatchNormalization then.

    Returns:
      How many there are.
    """
    import tensorflow as tf
    import tf_keras as keras

    norms = [x for x in model._flatten_layers() if isinstance(x, keras.layers.BatchNormalization)]

    def measuring(layer: Any) -> Callable[..., Any]:
        def call(inputs: Any, training: Any = None, mask: Any = None) -> Any:
            power = tf.reduce_mean(tf.cast(inputs, tf.float32) ** 2) / signal**2
            layer.moving_mean.assign(tf.zeros_like(layer.moving_mean))
            layer.moving_variance.assign(tf.fill(layer.moving_variance.shape, power))
            return type(layer).call(layer, inputs, training=False)

        return call

    _in_one_pass(model, images, {layer: measuring(layer) for layer in norms})
    return len(norms)


def scale_kernels(model: Any, images: Any) -> None:
    """Divide each kernel by the root mean square of what it computes, in one forward pass.

    Args:
      model: with biases of 0.
      images: a batch that it takes.
    """
    import tensorflow as tf

    def measuring(layer: Any) -> Callable[..., Any]:
        def call(inputs: Any) -> Any:
            activation, layer.activation = layer.activation, tf.identity
            power = tf.reduce_mean(type(layer).call(layer, inputs) ** 2)
            layer.activation = activation
            layer.kernel.assign(layer.kernel / tf.sqrt(tf.maximum(power, 1e-12)))
            return type(layer).call(layer, inputs)

        return call

    found = [x for x in model._flatten_layers() if hasattr(x, "kernel")]
    _in_one_pass(model, images, {layer: measuring(layer) for layer in found})


def _normalizes(model: Any) -> bool:
    """Whether any layer makes what it computes independent of the scale of its inputs."""
    import tf_keras as keras

    kinds = ("LayerNormalization", "GroupNormalization", "UnitNormalization")
    classes = tuple(getattr(keras.layers, kind) for kind in kinds)
    return any(isinstance(layer, classes) for layer in model._flatten_layers())


def _in_one_pass(model: Any, images: Any, calls: Mapping[Any, Callable[..., Any]]) -> None:
    """Let layers compute as they are told, for one batch."""
    for layer, call in calls.items():
        layer.__dict__["call"] = call
    try:
        model(images, training=False)
    finally:
        for layer in calls:
            del layer.__dict__["call"]
