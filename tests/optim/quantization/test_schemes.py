"""Schemes: what each gives weights and activations, and that LiteRT computes the same."""

from __future__ import annotations

from typing import Any

import litefile
import numpy as np
import pytest
import toys

import optim
from optim._keras import keras, tf, tfmot
from optim.quantization.api import quantize_model
from optim.quantization.planning.schemes import SCHEMES
from optim.quantization.quantizers.quantizers import ChannelQuantizer, KernelQuantizer

K = keras.layers
quantizers = tfmot.quantization.keras.quantizers


def network(normalized: bool = True) -> Any:
    """Every linear operation that has an int16 kernel, a sum, poolings, rectifiers."""
    x = toys.image()
    y = K.Conv2D(6, 3, use_bias=False, name="conv")(x)
    y = K.ReLU(name="relu")(K.BatchNormalization()(y) if normalized else y)
    y = K.Add(name="sum")([y, K.DepthwiseConv2D(3, padding="same", name="depthwise")(y)])
    y = K.Conv2DTranspose(5, 2, strides=2, activation="relu", name="transposed")(y)
    y = K.GlobalAveragePooling2D(name="mean")(K.AveragePooling2D()(K.MaxPooling2D()(y)))
    return keras.Model(x, K.Dense(3, name="dense")(y))


KERNELS = {"conv": 6, "depthwise": 6, "transposed": 5, "dense": 3}  # name -> channels


def quantized(scheme: str, normalized: bool = True) -> tuple[Any, Any, Any]:
    """The float model, the same quantized, and the batch it was calibrated with."""
    model = toys.randomize(network(normalized))
    batch = toys.batch_for(model, size=8)
    return model, quantize_model(model, scheme=scheme, calibration_data=[batch]), batch


def kernel_quantizer(model: Any, name: str) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
    """Kernel quantizer of a layer, its range, and the kernel."""
    ((weight, quantizer, ranges),) = model.get_layer(name)._weight_vars
    return quantizer, *(np.asarray(v) for v in (ranges["min_var"], ranges["max_var"], weight))


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_kernels_have_8_bits_and_a_symmetric_range_per_channel(scheme: str) -> None:
    _, model, _ = quantized(scheme)
    axes = {"conv": (3,), "depthwise": (2, 3), "transposed": (2,), "dense": (1,)}
    for name, channels in KERNELS.items():
        quantizer, low, high, kernel = kernel_quantizer(model, name)
        assert isinstance(quantizer, ChannelQuantizer)
        assert (quantizer.num_bits, quantizer.symmetric, quantizer.narrow_range) == (8, True, True)
        assert quantizer.axes == axes[name]
        assert low.shape == high.shape == (channels,)
        np.testing.assert_array_equal(low, -high)
        others = tuple(a for a in range(kernel.ndim) if a not in axes[name])
        np.testing.assert_array_equal(high, np.abs(kernel).max(others).reshape(-1))


def test_per_tensor_kernels_have_one_symmetric_range() -> None:
    _, model, _ = quantized("int8-per-tensor")
    for name in KERNELS:
        quantizer, low, high, kernel = kernel_quantizer(model, name)
        folded = name == "conv"  # the only one with a normalization behind it
        assert type(quantizer) is (KernelQuantizer if folded else quantizers.LastValueQuantizer)
        assert (quantizer.num_bits, quantizer.symmetric, quantizer.narrow_range) == (8, True, True)
        assert low.shape == high.shape == ()
        assert -low == high == np.abs(kernel).max()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [((3, 3, 4, 6), (3,)), ((3, 3, 4, 2), (2, 3)), ((2, 2, 5, 4), (2,)), ((7, 3), (1,))],
)
def test_the_form_that_folds_computes_what_the_per_tensor_quantizer_does(
    shape: tuple[int, ...], axes: tuple[int, ...], training: bool
) -> None:
    kernel = tf.constant(np.random.default_rng(0).normal(size=shape).astype("float32"))
    ours = KernelQuantizer(axes=axes)
    theirs = quantizers.LastValueQuantizer(8, per_axis=False, symmetric=True, narrow_range=True)
    assert ours == KernelQuantizer.from_config(ours.get_config())
    results, gradients = [], []
    for quantizer in (ours, theirs):
        ranges = quantizer.build(kernel.shape, "kernel", K.Layer())
        quantizer(kernel, True, ranges)
        if not training:  # a kernel that has moved beyond the range is clipped
            ranges["min_var"].assign(-1.5)
            ranges["max_var"].assign(1.5)
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            result = quantizer(kernel, training, ranges)
            loss = tf.reduce_sum(result**2)
        results.append(result.numpy())
        gradients.append(np.asarray(tape.gradient(loss, kernel)) if training else 0.0)
    np.testing.assert_allclose(results[0], results[1], atol=1e-6)
    np.testing.assert_allclose(gradients[0], gradients[1], atol=2e-6)
    assert len(np.unique(np.round(results[0], 5))) > 16


@pytest.mark.parametrize(
    ("scheme", "bits", "symmetric"),
    [("int8", 8, False), ("int8-per-tensor", 8, False), ("int16x8", 16, True)],
)
def test_activations(scheme: str, bits: int, symmetric: bool) -> None:
    _, model, batch = quantized(scheme)
    inner = keras.Model(model.input, [x.output for x in model.layers])
    results = dict(zip([x.name for x in model.layers], inner(batch), strict=True))
    config = model.get_layer("sum").quantize_config
    for quantizer, name in (
        (model.get_layer("input_1_quantize").quantizer, "input_1_quantize"),
        (config.output, "sum"),
    ):
        assert (quantizer.num_bits, quantizer.symmetric) == (bits, symmetric)
        low, high = (float(w) for w in model.get_layer(name).weights[-2:])
        scale = (high - low) / (2**bits - 1)
        if symmetric:  # then LiteRT's zero point is 0, as its int16 kernels demand
            assert low == pytest.approx(-high * 2 ** (bits - 1) / (2 ** (bits - 1) - 1), rel=1e-6)
        steps = np.asarray(results[name]) / scale
        np.testing.assert_allclose(steps, np.round(steps), atol=0.02)
        assert len(np.unique(np.round(steps))) > 2 ** (bits / 2)


def test_more_bits_and_more_ranges_are_closer_to_the_float_model() -> None:
    figures = {}
    for scheme in SCHEMES:
        model, result, batch = quantized(scheme)
        depthwise = model.get_layer("depthwise")
        kernel, bias = depthwise.get_weights()
        depthwise.set_weights([kernel * (2.0 ** -np.arange(6.0))[:, None], bias])
        result = quantize_model(model, scheme=scheme, calibration_data=[batch])
        figures[scheme] = litefile.decibels(
            model(batch, training=False).numpy(), result(batch, training=False).numpy()
        )
    assert figures["int16x8"] > figures["int8"] > figures["int8-per-tensor"] > 20


LINEAR: dict[str, Any] = {
    "convolution": lambda: [K.Conv2D(6, 3)],
    "convolution_normalized": lambda: [
        K.Conv2D(6, 3, use_bias=False),
        K.BatchNormalization(),
        K.ReLU(),
    ],
    "grouped_normalized": lambda: [K.Conv2D(6, 3, groups=2), K.BatchNormalization()],
    "depthwise": lambda: [K.DepthwiseConv2D(3)],
    "depthwise_normalized": lambda: [
        K.DepthwiseConv2D(3, depth_multiplier=2),
        K.BatchNormalization(),
        K.ReLU(6.0),
    ],
    "transposed_normalized": lambda: [K.Conv2DTranspose(6, 2, strides=2), K.BatchNormalization()],
    "of_sequences_normalized": lambda: [
        K.Reshape((64, 4)),
        K.Conv1D(6, 3),
        K.BatchNormalization(),
    ],
    "transposed": lambda: [K.Conv2DTranspose(4, 3), K.ReLU()],
    "transposed_without_bias": lambda: [K.Conv2DTranspose(4, 3, use_bias=False), K.ReLU(6.0)],
    "transposed_rectified": lambda: [K.Conv2DTranspose(4, 3, activation="relu")],
    "many_channels": lambda: [K.Dense(3000), K.BatchNormalization(), K.ReLU(), K.Conv2D(4, 1)],
    "dense": lambda: [K.Flatten(), K.Dense(5)],
    "dense_normalized": lambda: [K.Flatten(), K.Dense(5), K.BatchNormalization(), K.ReLU()],
}


@pytest.mark.parametrize("scheme", ["int8", "int8-per-tensor"])
@pytest.mark.parametrize("name", LINEAR)
def test_no_kernel_is_float_in_the_file(name: str, scheme: str) -> None:
    x = y = toys.image()
    for layer in LINEAR[name]():
        y = layer(y)
    model = toys.randomize(keras.Model(x, y))
    batch = toys.batch_for(model, size=8)
    result = quantize_model(model, scheme=scheme, calibration_data=[batch])
    report = optim.verify(optim.export(result), {"simulation": result}, batch)
    assert (report.int8_ops, report.islands) == (1.0, ())
    assert report.comparisons[0].sqnr > 40
    assert report.comparisons[0].max_steps <= 1.01


# -- LiteRT ----------------------------------------------------------------------------------


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("scheme", ["int8", "int8-per-tensor"])
def test_the_int8_file_agrees_with_the_simulation(scheme: str, normalized: bool) -> None:
    _, model, batch = quantized(scheme, normalized)
    content = litefile.convert(model)
    assert litefile.operations(content).count("DEQUANTIZE") == 1
    simulated = model(batch, training=False).numpy()
    assert litefile.decibels(simulated, litefile.run(content, batch)) > 30


def test_the_int16_file_agrees_with_the_simulation() -> None:
    model, result, batch = quantized("int16x8")
    content = litefile.finish_int16(litefile.convert(result, int16=True))
    assert litefile.operations(content) == [
        "QUANTIZE", "CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "TRANSPOSE_CONV", "MAX_POOL_2D",
        "AVERAGE_POOL_2D", "MEAN", "FULLY_CONNECTED", "DEQUANTIZE",
    ]  # fmt: skip
    simulated = result(batch, training=False).numpy()
    assert litefile.decibels(simulated, litefile.run(content, batch)) > 75
    floating = model(batch, training=False).numpy()
    assert litefile.decibels(floating, simulated) > 40


def test_the_int16_file_has_16_bit_activations_8_bit_weights_64_bit_biases() -> None:
    _, model, _ = quantized("int16x8")
    content = litefile.finish_int16(litefile.convert(model, int16=True))
    kinds: dict[str, list[Any]] = {}
    for tensor in litefile.interpreter(content).get_tensor_details():
        if tensor["name"]:  # the others are scratch space of kernels
            kinds.setdefault(np.dtype(tensor["dtype"]).name, []).append(tensor)
    counts = {name: len(found) for name, found in kinds.items() if name != "int32"}
    # Floats are the input and the output of the file; int32 are axes and shapes.
    assert counts == {"float32": 2, "int16": 9, "int8": 4, "int64": 4}
    for tensor in kinds["int16"]:
        scale, zero_point = tensor["quantization"]
        assert scale > 0
        assert zero_point == 0
    channels = sorted(len(t["quantization_parameters"]["scales"]) for t in kinds["int8"])
    assert channels == sorted(KERNELS.values())


def test_the_converter_alone_writes_biases_that_int16_kernels_do_not_read() -> None:
    """Kept to notice when that ends, and `finish_int16` can go."""
    _, model, batch = quantized("int16x8")
    with pytest.raises(RuntimeError, match="INT32 != INT64"):
        litefile.interpreter(litefile.convert(model, int16=True))
    x = toys.image()
    conv = toys.randomize(keras.Model(x, K.Conv2D(4, 3)(x)))
    conv = quantize_model(conv, scheme="int16x8", calibration_data=[batch])
    simulated, content = conv(batch, training=False).numpy(), litefile.convert(conv, int16=True)
    # No error, and nonsense: eight bytes are read where four were written.
    assert litefile.decibels(simulated, litefile.run(content, batch)) < 20
    content = litefile.finish_int16(content)
    assert litefile.decibels(simulated, litefile.run(content, batch)) > 75
