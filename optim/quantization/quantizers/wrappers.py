"""tfmot's quantize wrapper and quantize layer, with state that survives being saved.

tfmot's own replace the kernel of the wrapped layer by a tensor on every call, and keep
lists of variables as attributes; Keras then tracks other variables after a call than
before, and a `.keras` file written by one cannot be read by the other. These put the
kernel back and hold their bookkeeping where Keras does not look.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tensorflow_model_optimization.python.core.keras.utils import smart_cond
from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize_layer,
    quantize_wrapper,
)
from tensorflow_model_optimization.python.core.quantization.keras.quantize_aware_activation import (
    QuantizeAwareActivation,
)

from optim._keras import keras, tf
from optim.models.distribution import at_home
from optim.models.weight_names import unused_name
from optim.quantization.building.signatures import told
from optim.quantization.quantizers.keep_float import is_exported
from optim.quantization.quantizers.quantizers import TensorQuantizeConfig, unpack

# Ranges are float32 whatever the policy of the layer: TensorFlow's op takes no other.
_RANGE = {"dtype": "float32", "experimental_autocast": False}

# The converter to LiteRT computes nothing of constants that are larger (in bytes): a kernel
# that arithmetic quantizes would be left to the runtime, in float.
FOLDED_BYTES = 1 << 27

# Packages whose quantizers do without AutoGraph.
_KNOWN = (__name__.split(".")[0], "tensorflow_model_optimization")

register = keras.utils.register_keras_serializable(package="optim")


def quantize(quantizer: Any, x: Any, training: Any, variables: Any) -> Any:
    """Apply a quantizer; half-precision tensors take the detour TensorFlow's op needs."""
    if not x.dtype.is_floating:
        return x
    wide = x if x.dtype == tf.float32 else tf.cast(x, tf.float32)

    def apply(flag: bool) -> Any:
        return lambda: quantizer(wide, flag, weights=variables)

    with at_home(next(iter(tf.nest.flatten(variables)), None)):
        y = smart_cond(training, apply(True), apply(False))
    return y if x.dtype == tf.float32 else tf.cast(y, x.dtype)


class _AnyFloat:
    """A quantizer for tensors of any precision, as tfmot's quantizing activation wants it."""

    def __init__(self, quantizer: Any) -> None:
        self.quantizer = quantizer

    def build(self, tensor_shape: Any, name: str, layer: Any) -> Any:
        return self.quantizer.build(tensor_shape, name, layer)

    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        return quantize(self.quantizer, inputs, training, weights)


def training_phase(training: Any) -> Any:
    """Resolve `training=None`: in Keras' scratch graphs only shapes matter."""
    if training is not None:
        return training
    if getattr(tf.compat.v1.get_default_graph(), "name", "").endswith("_scratch_graph"):
        return False
    return keras.backend.learning_phase()


@contextmanager
def untracked(layer: Any) -> Iterator[None]:
    """Let attributes of `layer` be set without Keras noticing."""
    before = getattr(layer, "_self_setattr_tracking", True)
    layer._self_setattr_tracking = False
    try:
        yield
    finally:
        layer._self_setattr_tracking = before


@register
class QuantizeWrapper(quantize_wrapper.QuantizeWrapperV2):  # type: ignore[misc]
    """Quantizes weights, activation and output of the layer it wraps.

    It has the name of the layer. The variables of the layer stay the layer's; the
    wrapper owns those of the quantizers only.

    Args:
        layer, quantize_config, name_prefix, kwargs: see tfmot's.
        layer_training: what the layer is told of training whatever the model does, as in a
            backbone that is called with `training=False`. The quantizers go by the model.
    """

    def __init__(
        self,
        layer: Any,
        quantize_config: Any,
        name_prefix: str = "",
        layer_training: bool | None = None,
        **kwargs: Any,
    ):
        # Inputs are to be cast as the layer would cast them.
        kwargs.setdefault("dtype", layer._dtype_policy)
        super().__init__(layer, quantize_config, name_prefix, **kwargs)
        self.supports_masking = layer.supports_masking
        self.layer_training = layer_training
        # Of the layer, only `call` is called, which knows nothing of it.
        self._activity_regularizer = layer._activity_regularizer

    def add_weight(self, name: str, *args: Any, **kwargs: Any) -> Any:
        # The kernels of stacked cells all have the same name.
        return super().add_weight(unused_name(self, name), *args, **{**_RANGE, **kwargs})

    def build(self, input_shape: Any) -> None:
        keras.layers.Wrapper.build(self, input_shape)
        config, layer = self.quantize_config, self.layer
        with untracked(self):
            self._weight_vars = [
                (weight, q, q.build(weight.shape, self._weight_name(weight.name), self))
                for weight, q in config.get_weights_and_quantizers(layer)
            ]
            self._quantize_activations = [
                QuantizeAwareActivation(activation, _AnyFloat(q), None, self)
                for activation, q in config.get_activations_and_quantizers(layer)
            ]
            self._output_quantizers = config.get_output_quantizers(layer)
            # Per-tensor quantizers do not look at the shape.
            self._output_quantizer_vars = [
                q.build(None, "output", self) for q in self._output_quantizers
            ]

    def call(self, inputs: Any, *args: Any, training: Any = None, **kwargs: Any) -> Any:
        training = training_phase(training)
        if self.layer._expects_training_arg:
            told_layer = self.layer_training
            kwargs["training"] = training if told_layer is None else told_layer
        if not self.layer._expects_mask_arg:
            kwargs.pop("mask", None)  # Keras offers it to whatever takes any argument
        with self._quantized(training):
            outputs = self.layer.call(inputs, *args, **kwargs)
        if not self._output_quantizers:
            return outputs
        q, variables = self._output_quantizers[0], self._output_quantizer_vars[0]
        return tf.nest.map_structure(lambda y: quantize(q, y, training, variables), outputs)

    @contextmanager
    def _quantized(self, training: Any) -> Iterator[None]:
        """Within it, the layer has quantized weights and a quantizing activation."""
        config, layer = self.quantize_config, self.layer
        if not (self._weight_vars or self._quantize_activations):
            yield
            return
        weights = [w for w, _, _ in self._weight_vars]
        activations = [a.activation for a in self._quantize_activations]
        for activation in self._quantize_activations:
            activation.training = training
        with untracked(layer):
            try:
                config.set_quantize_weights(
                    layer,
                    [self._kernel(w, q, training, v) for w, q, v in self._weight_vars],
                )
                config.set_quantize_activations(layer, self._quantize_activations)
                yield
            finally:
                config.set_quantize_weights(layer, weights)
                config.set_quantize_activations(layer, activations)

    def _kernel(self, weight: Any, quantizer: Any, training: Any, variables: Any) -> Any:
        """The quantized weight; for a file, its value at once if it is too large to be folded."""
        size = weight.shape.num_elements() * weight.dtype.size
        if size <= FOLDED_BYTES or not is_exported():
            return quantize(quantizer, _read(weight, self.layer), training, variables)
        with tf.init_scope():
            return quantize(quantizer, _read(weight, self.layer), False, variables)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.layer.compute_output_shape(input_shape)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.layer.compute_mask(inputs, mask) if self.layer.supports_masking else None

    def _infer_output_signature(self, inputs: Any, args: Any, kwargs: Any, masks: Any) -> Any:
        known = told(self, self.layer, inputs, (args, kwargs), masks)
        return (
            known
            if known is not None
            else super()._infer_output_signature(inputs, args, kwargs, masks)
        )

    def _should_use_autograph(self) -> bool:
        """Not for us: it would convert this class, its quantizers and all that they call anew."""
        config = self.quantize_config
        if type(config) is not TensorQuantizeConfig or self.layer._should_use_autograph():
            return True
        quantizers = (*config.weights.values(), config.activation, config.output)
        return any(map(_is_foreign, quantizers))

    def get_config(self) -> dict[str, Any]:
        # The same form in `.h5` and `.keras`; the newer one loses the package of a
        # registered class when an `.h5` file is read.
        config: dict[str, Any] = keras.layers.Layer.get_config(self)
        pack = keras.utils.legacy.serialize_keras_object
        config.update(layer=pack(self.layer), quantize_config=pack(self.quantize_config))
        if self.layer_training is not None:
            config["layer_training"] = self.layer_training
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> QuantizeWrapper:
        config = dict(config)
        layer = keras.layers.deserialize(config.pop("layer"), use_legacy_format=True)
        quantize_config = unpack(config.pop("quantize_config"))
        return cls(layer, quantize_config, **config)

    @property
    def trainable_weights(self) -> Any:
        own = self._trainable_weights if self.trainable else []
        return self.layer.trainable_weights + own

    @property
    def non_trainable_weights(self) -> Any:
        own = self._non_trainable_weights
        return self.layer.non_trainable_weights + (
            own if self.trainable else self._trainable_weights + own
        )


def _is_foreign(quantizer: Any) -> bool:
    """Whether somebody else wrote it, perhaps for AutoGraph to convert."""
    return quantizer is not None and type(quantizer).__module__.split(".")[0] not in _KNOWN


def _read(weight: Any, layer: Any) -> Any:
    return tf.cast(tf.convert_to_tensor(weight), layer.compute_dtype)


@register
class QuantizeLayer(quantize_layer.QuantizeLayer):  # type: ignore[misc]
    """Quantizes the tensor that passes through it."""

    def __init__(self, quantizer: Any, **kwargs: Any) -> None:
        super().__init__(quantizer, **kwargs)
        self.supports_masking = True

    def add_weight(self, *args: Any, **kwargs: Any) -> Any:
        return super().add_weight(*args, **{**_RANGE, **kwargs})

    def build(self, input_shape: Any) -> None:
        with untracked(self):
            self.quantizer_vars = self.quantizer.build(input_shape, "output", self)
        keras.layers.Layer.build(self, input_shape)

    def call(self, inputs: Any, training: Any = None) -> Any:
        return quantize(self.quantizer, inputs, training_phase(training), self.quantizer_vars)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tf.TensorShape(input_shape)

    def _infer_output_signature(self, inputs: Any, args: Any, kwargs: Any, masks: Any) -> Any:
        known = told(self, None, inputs, (args, kwargs), masks)
        return (
            known
            if known is not None
            else super()._infer_output_signature(inputs, args, kwargs, masks)
        )

    def _should_use_autograph(self) -> bool:
        return _is_foreign(self.quantizer)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> QuantizeLayer:
        config = dict(config)
        return cls(unpack(config.pop("quantizer")), **config)


@register
class ChainQuantizeLayer(QuantizeLayer):
    """Quantizes the tensors of a chain, in which each has all values of the one before.

    Args:
        quantizer: a `GridQuantizer`.
        length: number of tensors. Each passes by in a call of its own, with its `position`;
            the last one's range gives the grid. A part of a tensor that `follows` gets the steps
            of the whole, whose range it does not move.
    """

    def __init__(self, quantizer: Any, length: int, **kwargs: Any) -> None:
        super().__init__(quantizer, **kwargs)
        self.length = length

    def build(self, input_shape: Any) -> None:
        with untracked(self):
            own = [self.quantizer.build(None, f"output_{i}", self) for i in range(self.length)]
            grid = {f"grid_{name}": variable for name, variable in own[-1].items()}
            self.quantizer_vars = [{**one, **grid} for one in own]
        keras.layers.Layer.build(self, input_shape)

    def call(
        self, inputs: Any, training: Any = None, position: int = -1, follows: bool = False
    ) -> Any:
        phase = False if follows else training_phase(training)
        return quantize(self.quantizer, inputs, phase, self.quantizer_vars[position])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "length": self.length}
