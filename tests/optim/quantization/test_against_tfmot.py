"""Where tfmot is right, the engine computes what stock `quantize_model` computes.

Both models get their ranges from the same batch, by the same calibration. Then they agree
(observed: to the bit), or they differ on purpose; every such difference has its test below,
with the LiteRT file, or the float model, as the judge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import litefile
import numpy as np
import pytest
import toys
from applications import condition, image
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_registry as registry,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantizers as stock_quantizers,
)

from optim._keras import keras, tf, tfmot
from optim.annotation.configs import DefaultBNQuantizeConfig as OutputOnly
from optim.annotation.configs import NoOpQuantizeConfig as Nothing
from optim.quantization.api import quantize_model
from optim.quantization.calibration.calibrate import calibrate
from optim.quantization.planning.schemes import Scheme

K = keras.layers
GRAPHS: dict[str, Callable[[], Any]] = {}
KERNELS: dict[str, Callable[[], Any]] = {}


class StockKernels(Scheme):
    """int8, with the kernel quantizers of tfmot: per channel for `Conv2D` only."""

    def weight(self, axes: tuple[int, ...]) -> Any:
        if axes == (2,):  # Conv2DTranspose
            return stock_quantizers.Default8BitConvTransposeWeightsQuantizer()
        if axes == (1,):  # Dense
            return super().weight(())
        return stock_quantizers.Default8BitConvWeightsQuantizer()


STOCK_KERNELS = StockKernels("int8 with tfmot's kernel quantizers")


def both(
    model: Any, scheme: str | Scheme = "int8", configs: Any = None
) -> tuple[Any, Any, list[Any]]:
    """The model quantized by the engine and by tfmot, calibrated alike; and the batch."""
    data = [toys.batch_for(model)]
    ours = quantize_model(model, scheme=scheme, configs=configs, calibration_data=data)
    theirs = calibrate(tfmot.quantization.keras.quantize_model(model), data)
    return ours, theirs, data


def difference(ours: Any, theirs: Any, batch: Any) -> float:
    """Largest difference of any output, relative to the largest value of that output."""
    pairs = zip(
        tf.nest.flatten(ours(batch, training=False)),
        tf.nest.flatten(theirs(batch, training=False)),
        strict=True,
    )
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


def in_file(model: Any, batch: Any) -> float:
    """Agreement of the LiteRT file of a model with the model, in dB."""
    simulated = model(batch, training=False).numpy()
    return litefile.decibels(simulated, litefile.run(litefile.convert(model), batch))


def float_operations(content: bytes) -> int:
    """How often the file leaves int8; once, at its output, is the least."""
    return litefile.operations(content).count("DEQUANTIZE")


def graph(function: Callable[[], Any]) -> Callable[[], Any]:
    """Agrees as it is."""
    GRAPHS[function.__name__] = function
    return function


def kernel(function: Callable[[], Any]) -> Callable[[], Any]:
    """Agrees but for kernels: tfmot has one range for all channels of some."""
    KERNELS[function.__name__] = function
    return function


def block(x: Any, filters: int = 4) -> Any:
    y = K.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    return K.ReLU()(K.BatchNormalization()(y))


def network(body: Callable[[Any], Any], x: Any = None) -> Any:
    x = toys.image() if x is None else x
    return toys.randomize(keras.Model(x, body(x)))


# -- agreement -----------------------------------------------------------------------------


@graph
def convolution_normalization_relu() -> Any:
    return network(block)


@graph
def convolution_normalization_relu6() -> Any:
    return network(lambda x: K.ReLU(6.0)(K.BatchNormalization()(K.Conv2D(6, 3, strides=2)(x))))


@graph
def convolution_normalization_activation() -> Any:
    return network(lambda x: K.Activation("relu")(K.BatchNormalization()(K.Conv2D(6, 3)(x))))


@graph
def activation_inside() -> Any:
    return network(lambda x: K.Conv2D(3, 1)(K.Conv2D(6, 3, activation="relu")(x)))


@graph
def gelu() -> Any:
    inside = K.Conv2D(4, 1, activation="gelu")
    return network(lambda x: K.Conv2D(3, 1)(K.Activation("gelu")(inside(x))))


@graph
def leaky_relu() -> Any:
    return network(lambda x: K.Conv2D(3, 1)(K.LeakyReLU(0.2)(K.Conv2D(4, 2)(x))))


@graph
def grouped_convolution() -> Any:
    return network(lambda x: K.BatchNormalization()(K.Conv2D(4, 3, groups=2)(x)))


@graph
def residual() -> Any:
    def body(x: Any) -> Any:
        shortcut = K.BatchNormalization()(K.Conv2D(4, 1)(x))
        y = K.BatchNormalization()(K.Conv2D(4, 3, padding="same")(block(x)))
        return block(K.Activation("relu")(K.Add()([shortcut, y])))

    return network(body)


@graph
def sum_without_relu() -> Any:
    return network(lambda x: K.Conv2D(3, 1)(K.Add()([x, block(x)])))


@graph
def concatenation_in_the_given_order() -> Any:
    return network(lambda x: K.Conv2D(3, 1)(K.Concatenate()([block(x, 2), block(x, 5)])))


@graph
def concatenation_of_what_others_see() -> Any:
    def body(x: Any) -> Any:
        a, b = block(x), block(x)
        return [K.Conv2D(3, 1)(K.Concatenate()([a, b])), K.Conv2D(2, 1)(a)]

    return network(body)


@graph
def maximum_pooling() -> Any:
    return network(lambda x: K.GlobalMaxPooling2D()(K.Conv2D(3, 1)(K.MaxPooling2D()(block(x)))))


@graph
def relu_after_pooling() -> Any:
    return network(lambda x: K.Conv2D(3, 1)(K.ReLU()(K.MaxPooling2D()(K.Conv2D(4, 1)(x)))))


@graph
def global_average_pooling() -> Any:
    pool = K.GlobalAveragePooling2D
    return network(lambda x: [pool()(block(x)), K.Conv2D(3, 1)(pool(keepdims=True)(block(x)))])


@graph
def reshaping() -> Any:
    def body(x: Any) -> Any:
        flat = K.Flatten()(K.Permute((2, 1, 3))(block(x)))
        return K.Conv2D(3, 1)(K.Reshape((4, 4, 16))(flat))

    return network(body)


@graph
def padding_and_cropping() -> Any:
    def body(x: Any) -> Any:
        return K.Conv2D(3, 3)(K.Cropping2D(1)(K.ZeroPadding2D(((0, 3), (0, 3)))(block(x))))

    return network(body)


@graph
def enlarging_to_the_nearest() -> Any:
    return network(lambda x: K.Conv2D(3, 3)(K.UpSampling2D()(block(x))))


@graph
def layers_that_do_nothing_in_inference() -> Any:
    def body(x: Any) -> Any:
        y = K.SpatialDropout2D(0.1)(K.Dropout(0.1)(block(x)))
        return K.Activation("linear")(K.Conv2D(3, 1)(y))

    return network(body)


@graph
def normalization_that_two_see() -> Any:
    def body(x: Any) -> Any:
        y = K.BatchNormalization()(K.Conv2D(4, 1)(x))
        return [K.Conv2D(2, 1)(K.ReLU()(y)), K.Conv2D(2, 1)(y)]

    return network(body)


@graph
def several_inputs_and_outputs() -> Any:
    a, b = toys.image(name="a"), toys.image(name="b")
    y = K.Add()([K.Conv2D(4, 1)(a), b])
    return toys.randomize(keras.Model([a, b], [K.ReLU()(y), K.Conv2D(2, 1)(b)]))


@kernel
def depthwise() -> Any:
    def body(x: Any) -> Any:
        y = K.BatchNormalization()(K.DepthwiseConv2D(3, padding="same")(x))
        return K.Conv2D(3, 1)(K.ReLU(6.0)(y))

    return network(body)


@kernel
def separable() -> Any:
    def body(x: Any) -> Any:
        y = K.SeparableConv2D(5, 3, activation="relu")(x)
        return K.BatchNormalization()(K.SeparableConv2D(4, 3)(y))

    return network(body)


@kernel
def transposed() -> Any:
    return network(lambda x: K.Conv2DTranspose(4, 2, strides=2, activation="relu")(x))


@kernel
def dense() -> Any:
    x = keras.Input((6,))
    return network(lambda x: K.Dense(3)(K.Dense(5, activation="relu")(x)), x)


@kernel
def sequential() -> Any:
    layers = [
        K.Conv2D(4, 3, input_shape=(8, 8, 4)),
        K.BatchNormalization(),
        K.ReLU(),
        K.Flatten(),
        K.Dense(3),
    ]
    return toys.randomize(keras.Sequential(layers))


@pytest.mark.parametrize("name", GRAPHS)
def test_the_same_graph_the_same_numbers(name: str) -> None:
    ours, theirs, (batch,) = both(GRAPHS[name]())
    assert difference(ours, theirs, batch) <= 1e-4


@pytest.mark.parametrize("name", KERNELS)
def test_the_same_graph_and_kernel_quantizers_the_same_numbers(name: str) -> None:
    ours, theirs, (batch,) = both(KERNELS[name](), STOCK_KERNELS)
    assert difference(ours, theirs, batch) <= 1e-4


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("MobileNet", STOCK_KERNELS),
        ("MobileNetV2", STOCK_KERNELS),
        ("ResNet50", "int8"),
        ("VGG16", "int8"),
        pytest.param("ResNet101", "int8", marks=pytest.mark.slow),
        pytest.param("ResNet152", "int8", marks=pytest.mark.slow),
        pytest.param("VGG19", "int8", marks=pytest.mark.slow),
    ],
)
def test_applications(name: str, scheme: str | Scheme) -> None:
    constructor = getattr(keras.applications, name)
    model = constructor(weights=None, include_top=False, input_shape=(64, 64, 3))
    batch = image(64) / 127.5 - 1.0
    condition(model, batch)
    ours = quantize_model(model, scheme=scheme, calibration_data=[batch])
    theirs = calibrate(tfmot.quantization.keras.quantize_model(model), [batch])
    assert difference(ours, theirs, batch) <= 1e-4
    floating = model(batch, training=False).numpy()
    assert litefile.decibels(floating, ours(batch, training=False).numpy()) > 20


# -- deliberate differences ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: K.DepthwiseConv2D(3, use_bias=False), (8, 8, 4)),
        (lambda: K.Conv2DTranspose(4, 2, strides=2, use_bias=False), (8, 8, 4)),
        (lambda: K.Dense(4, use_bias=False), (6,)),
        (lambda: K.Dense(4, use_bias=False), (8, 8, 6)),
    ],
    ids=["depthwise", "transposed", "dense", "dense on a map"],
)
def test_kernels_have_a_range_per_channel(layer: Callable[[], Any], shape: Any) -> None:
    """With one range for all, the kernel of a small channel rounds to a few steps."""
    model = network(lambda x: layer()(x), keras.Input(shape))
    (weight,) = model.get_weights()
    channels = 2 if weight.shape in ((3, 3, 4, 1), (2, 2, 4, 4)) else -1
    spread = np.array([1, 1 / 4, 1 / 16, 1 / 64], "float32")
    model.set_weights([weight * (spread[:, None] if channels == 2 else spread)])
    ours, theirs, (batch,) = both(model)

    def smallest(quantized: Any) -> float:
        kernel = quantized_kernel(quantized).reshape(weight.shape)
        wanted, got = (np.take(k, 3, channels) for k in (model.get_weights()[0], kernel))
        return litefile.decibels(wanted, got)

    assert smallest(ours) > 40
    assert smallest(theirs) < 30
    assert in_file(ours, batch) > 40


def quantized_kernel(model: Any) -> np.ndarray:
    """The kernel of the only layer of a quantized model that has one, as it computes."""
    (found,) = [x._weight_vars for x in model.layers if getattr(x, "_weight_vars", None)]
    ((weight, quantizer, ranges),) = found
    return np.asarray(quantizer(tf.convert_to_tensor(weight), False, weights=ranges))


@pytest.mark.parametrize(
    ("activation", "inside"), [("softmax", True), ("sigmoid", False), ("tanh", True)]
)
def test_outputs_whose_range_litert_prescribes_have_that_range(
    activation: str, inside: bool
) -> None:
    def body(x: Any) -> Any:
        if inside:
            return K.Conv2D(4, 1, activation=activation)(x)
        return K.Activation(activation)(K.Conv2D(4, 1)(x))

    ours, theirs, (batch,) = both(network(body))
    assert in_file(ours, batch) > max(50, in_file(theirs, batch) + 6)


def test_swish_is_a_sigmoid_with_that_range_and_a_product() -> None:
    ours, theirs, (batch,) = both(network(lambda x: K.Activation("swish")(K.Conv2D(4, 2)(x))))
    assert in_file(ours, batch) > in_file(theirs, batch) + 8


def test_a_kernel_before_a_rectifier_is_quantized() -> None:
    """tfmot gives a convolution, dense or add layer before a ReLU a config that does nothing.

    That is meant for its output, and takes the quantizer from its kernel as well.
    """

    def body(x: Any) -> Any:
        return K.Conv2D(3, 1)(K.ReLU()(K.Conv2D(6, 3, name="bare")(x)))

    model = network(body)
    ours, theirs, (batch,) = both(model)
    assert difference(ours, theirs, batch) > 1e-3
    assert in_file(ours, batch) > in_file(theirs, batch) + 15
    ours, theirs, (batch,) = both(model, configs={"bare": Nothing})
    assert difference(ours, theirs, batch) <= 1e-4


def test_a_rectifier_that_litert_does_not_fuse_is_not_fused() -> None:
    """tfmot takes every `ReLU` for one that LiteRT fuses, and then the kernel stays float."""

    def body(x: Any) -> Any:
        return K.Conv2D(3, 1)(K.ReLU(negative_slope=0.2)(K.Conv2D(6, 3)(x)))

    ours, theirs, _ = both(network(body))
    assert litefile.operations(litefile.convert(ours)) == [
        "QUANTIZE", "CONV_2D", "LEAKY_RELU", "CONV_2D", "DEQUANTIZE",
    ]  # fmt: skip
    assert float_operations(litefile.convert(theirs)) == 2


def test_dense_normalization_relu_is_one_operation() -> None:
    """tfmot's patterns for it come in an order in which the one with the ReLU never fits."""
    x = keras.Input((6,))

    def body(x: Any) -> Any:
        y = K.BatchNormalization(name="norm")(K.Dense(5, name="first")(x))
        return K.Dense(3)(K.ReLU()(y))

    model = network(body, x)
    ours, theirs, (batch,) = both(model, STOCK_KERNELS)
    assert difference(ours, theirs, batch) > 1e-3
    ours, _, _ = both(model)
    assert litefile.operations(litefile.convert(ours)) == [
        "QUANTIZE", "FULLY_CONNECTED", "FULLY_CONNECTED", "DEQUANTIZE",
    ]  # fmt: skip
    assert float_operations(litefile.convert(theirs)) == 2
    ours, theirs, (batch,) = both(model, STOCK_KERNELS, configs={"norm": OutputOnly})
    assert difference(ours, theirs, batch) <= 1e-4


def conv_config() -> Any:
    """What tfmot wraps a convolution in: kernel, and output after the activation."""
    return registry.Default8BitConvQuantizeConfig(["kernel"], ["activation"], False)


def test_a_convolution_before_a_concatenation_is_quantized_once() -> None:
    """LiteRT computes it at the scale of the concatenation; tfmot at its own before."""

    def body(x: Any) -> Any:
        pair = [K.Conv2D(4, 1, name="a")(x), K.Conv2D(4, 3, padding="same", name="b")(x)]
        return K.Conv2D(3, 1)(K.Concatenate()(pair))

    model = network(body)
    ours, theirs, (batch,) = both(model)
    assert difference(ours, theirs, batch) > 1e-3
    assert in_file(ours, batch) > in_file(theirs, batch) + 5
    ours, theirs, (batch,) = both(model, configs={"a": conv_config, "b": conv_config})
    assert difference(ours, theirs, batch) <= 1e-4


def test_the_same_beside_an_input_of_the_model() -> None:
    """An input is none of the layers that tfmot's pattern of a concatenation may match."""
    model = network(lambda x: K.Conv2D(3, 1)(K.Concatenate()([x, block(x)])))
    ours, theirs, (batch,) = both(model)
    assert difference(ours, theirs, batch) > 1e-3
    assert in_file(ours, batch) > in_file(theirs, batch) + 5
    ours, theirs, (batch,) = both(model, configs={K.ReLU: OutputOnly})
    assert difference(ours, theirs, batch) <= 1e-4


def test_the_same_with_more_inputs_than_tfmot_has_patterns_for() -> None:
    def body(x: Any) -> Any:
        return K.Conv2D(3, 1)(K.Concatenate()([K.LeakyReLU(i / 10)(x) for i in range(7)]))

    model = network(body)
    ours, theirs, (batch,) = both(model)
    assert difference(ours, theirs, batch) > 1e-3
    ours, theirs, (batch,) = both(model, configs={K.LeakyReLU: OutputOnly})
    assert difference(ours, theirs, batch) <= 1e-4


def test_average_pooling_has_the_scale_of_its_input() -> None:
    """As LiteRT's has; a range of its own costs a requantization and is no closer."""
    model = network(lambda x: K.Conv2D(3, 1)(K.AveragePooling2D()(block(x))))
    ours, theirs, (batch,) = both(model)
    assert difference(ours, theirs, batch) > 1e-3
    files = [litefile.convert(m) for m in (ours, theirs)]
    assert [litefile.operations(content).count("QUANTIZE") for content in files] == [1, 2]
    assert in_file(ours, batch) > in_file(theirs, batch) - 1
    ours, theirs, (batch,) = both(model, configs={K.AveragePooling2D: OutputOnly})
    assert difference(ours, theirs, batch) <= 1e-4


def test_bilinear_enlarging_has_the_scale_of_its_input() -> None:
    """As LiteRT's has: the range that tfmot gives it is not in the file."""
    enlarge = K.UpSampling2D(interpolation="bilinear")
    model = network(lambda x: K.Conv2D(3, 1)(enlarge(block(x))))
    ours, theirs, (batch,) = both(model)
    assert difference(ours, theirs, batch) > 1e-3
    assert in_file(ours, batch) > in_file(theirs, batch) + 8
    ours, theirs, (batch,) = both(model, configs={K.UpSampling2D: OutputOnly})
    assert difference(ours, theirs, batch) <= 1e-4


def test_each_partial_sum_of_three_terms_has_a_range() -> None:
    """LiteRT adds two at a time; without a range in between the file adds in float."""
    model = network(lambda x: K.Conv2D(3, 1)(K.Add(name="sum")([block(x) for _ in range(3)])))
    ours, theirs, (batch,) = both(model)
    assert difference(ours, theirs, batch) > 1e-3
    assert float_operations(litefile.convert(ours)) == 1
    assert float_operations(litefile.convert(theirs)) == 4
    ours, theirs, (batch,) = both(model, configs={"sum": OutputOnly})
    assert difference(ours, theirs, batch) <= 1e-4


def test_each_call_of_a_shared_layer_has_a_range() -> None:
    """One range for all calls is as wide as the widest of them."""
    shared = K.Conv2D(4, 1, activation="relu", use_bias=False, name="shared")
    a, b = toys.image(name="a"), toys.image(name="b")
    outputs = [K.Conv2D(2, 1)(shared(a)), K.Conv2D(2, 1)(shared(b))]
    model = toys.randomize(keras.Model([a, b], outputs))
    batch = [x / divisor for x, divisor in zip(toys.batch_for(model), (1, 50), strict=True)]
    theirs = calibrate(tfmot.quantization.keras.quantize_model(model), [batch])

    def quantized(configs: Any) -> Any:
        return quantize_model(model, configs=configs, calibration_data=[batch])

    small = [m(batch, training=False)[1].numpy() for m in (model, quantized(None), theirs)]
    ours_db, theirs_db = (litefile.decibels(small[0], got) for got in small[1:])
    assert ours_db > theirs_db + 3
    assert difference(quantized({"shared": conv_config}), theirs, batch) <= 1e-4


def test_an_input_that_is_an_output_is_passed_on_as_it_is() -> None:
    ours, theirs, (batch,) = both(network(lambda x: [x, K.Conv2D(3, 1)(x)]))
    np.testing.assert_array_equal(ours(batch, training=False)[0], batch)
    assert np.abs(theirs(batch, training=False)[0] - batch).max() > 1e-3
