"""What `export` writes, for every kind of model and every way to quantize."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import toys

import optim
from optim import litert
from optim._keras import keras, tfmot

K = keras.layers


def sqnr(model: Any, content: bytes, data: Any) -> float:
    return min(c.sqnr for c in optim.verify(content, model, data).comparisons)


def test_a_float_file_computes_what_the_model_does(small: Any, images: np.ndarray) -> None:
    content = optim.export(small)
    assert sqnr(small, content, images) > 110
    report = optim.verify(content)
    assert report.dtypes["float32"] > 0
    assert "int8" not in report.dtypes
    assert report.inputs[0].shape == (1, 8, 8, 4)


def test_a_qat_model_becomes_int8_throughout(small_qat: Any, images: np.ndarray) -> None:
    content = optim.export(small_qat)
    report = optim.verify(content, {"simulation": small_qat}, images)
    assert (report.int8_ops, report.int8_macs, report.islands) == (1.0, 1.0, ())
    assert report.comparisons[0].max_steps <= 1.01


@pytest.mark.parametrize("io_dtype", ["float32", "int8", "uint8"])
@pytest.mark.parametrize("how", ["qat", "ptq"])
def test_dtypes_of_inputs_and_outputs(
    small: Any, small_qat: Any, images: np.ndarray, io_dtype: str, how: str
) -> None:
    if how == "qat":
        content = optim.export(small_qat, io_dtype=io_dtype)
    else:
        content = optim.export(
            small, io_dtype=io_dtype, optimize="int8", representative_data=images
        )
    runtime = litert.Runtime(content)
    assert [t.dtype for t in [*runtime.inputs, *runtime.outputs]] == [io_dtype] * 2
    assert sqnr(small, content, images) > 35
    conversions = optim.verify(content).histogram.get("DEQUANTIZE", {})
    assert bool(conversions) == (io_dtype == "float32")


@pytest.mark.parametrize(
    ("optimize", "weights", "kind", "least"),
    [
        ("dynamic", "int8", "hybrid", 35),
        ("int8", "int8", "int8", 35),
        ("int16x8", "int8", "int16x8", 40),
        ("float16", "float16", "float", 60),
    ],
)
def test_post_training_quantization(optimize: str, weights: str, kind: str, least: int) -> None:
    x = keras.Input((8, 8, 4))  # kernels of 1024 elements or more: dynamic leaves smaller ones
    model = keras.Model(x, K.Conv2D(8, 3)(K.Conv2D(32, 3, activation="relu")(x)))
    data = np.random.default_rng(0).normal(size=(32, 8, 8, 4)).astype("float32")
    needs = {"representative_data": data} if "int" in optimize else {}
    content = optim.export(model, optimize=optimize, **needs)
    report = optim.verify(content, model, data)
    assert report.histogram["CONV_2D"] == {kind: 2}
    assert report.dtypes[weights] >= 2
    assert report.comparisons[0].sqnr > least
    assert len(content) < len(optim.export(model))
    assert report.metadata["techniques"] == [f"ptq-{optimize}"]


def test_post_training_int8_lowers_first(images: np.ndarray) -> None:
    x = keras.Input((8, 8, 4))
    y = K.BatchNormalization()(K.MaxPooling2D()(x))
    model = toys.randomize(keras.Model(x, K.Conv2D(2, 1)(K.Concatenate()([y, y]))))
    report = optim.verify(optim.export(model, optimize="int8", representative_data=images))
    assert report.histogram["DEPTHWISE_CONV_2D"] == {"int8": 1}
    assert not {"MUL", "ADD"} & set(report.histogram)


def test_int16_activations_of_a_qat_model(small: Any, images: np.ndarray) -> None:
    qat = optim.quantize_model(small, scheme="int16x8", calibration_data=[images])
    content = optim.export(qat, representative_data=images)
    report = optim.verify(content, qat, images)
    assert report.int8_ops == 1.0
    assert {op.kind for op in report.operations if op.macs} == {"int16x8"}
    assert report.comparisons[0].sqnr > 60
    ends = litert.Runtime(optim.export(qat, representative_data=images, io_dtype="int16"))
    assert ends.inputs[0].dtype == "int16"


def test_models_of_tfmot_itself(small: Any, images: np.ndarray) -> None:
    qat = optim.calibrate(tfmot.quantization.keras.quantize_model(small), images)
    report = optim.verify(optim.export(qat), {"simulation": qat}, images)
    assert report.metadata["techniques"] == ["qat"]
    assert report.int8_macs == 1.0
    assert report.comparisons[0].sqnr > 40


def test_the_annotate_recipe_leaves_islands() -> None:
    x = keras.Input((8, 8, 4))
    y = K.MaxPooling2D(name="pool")(K.Conv2D(4, 1, activation="relu", name="first")(x))
    y = K.Conv2D(2, 1, activation="relu", name="last")(K.BatchNormalization(name="lone")(y))
    model = toys.randomize(keras.Model(x, y, name="recipe"))
    qat = optim.AnnotateRecipe()(model)
    report = optim.verify(optim.export(qat))
    assert report.histogram["CONV_2D"] == {"int8": 2}
    assert [i.layers for i in report.islands] == [("quant_lone",)]


@pytest.mark.parametrize("library", ["optim", "tfmot"])
def test_pruned_models_lose_their_wrappers(library: str, small: Any, images: np.ndarray) -> None:
    schedule = tfmot.sparsity.keras.ConstantSparsity(0.5, 0, frequency=1)
    prune = optim.prune_low_magnitude
    if library == "tfmot":
        prune = tfmot.sparsity.keras.prune_low_magnitude
    pruned = prune(small, pruning_schedule=schedule)
    pruned.compile("sgd", "mse")
    pruned.fit(images, np.zeros((16, 3)), callbacks=optim.get_pruning_callbacks(), verbose=0)
    content = optim.export(pruned)
    report = optim.verify(content, optim.unprune(pruned), images)
    assert report.comparisons[0].sqnr > 110
    assert report.metadata["techniques"] == ["prune", "float"]
    assert counts(content) == counts(optim.export(small))
    both = optim.export(pruned, optimize="int8", representative_data=images)
    assert optim.verify(both).metadata["techniques"] == ["prune", "ptq-int8"]


def counts(content: bytes) -> dict[str, dict[str, int]]:
    return optim.verify(content).histogram


def test_several_inputs_and_outputs_keep_names_and_order(two_ends: Any) -> None:
    rng = np.random.default_rng(0)
    b, a = rng.normal(size=(4, 8, 8, 4)), rng.normal(size=(4, 6))
    data = [b.astype("float32"), a.astype("float32")]
    qat = optim.quantize_model(two_ends, calibration_data=[data])
    for model, least in ((two_ends, 110), (qat, 35)):
        content = optim.export(model)
        runtime = litert.Runtime(content)
        assert [t.name for t in runtime.inputs] == ["b", "a"]
        assert [t.name for t in runtime.outputs] == ["z", "m"]
        assert sqnr(model, content, data) > least
        by_name = runtime.run({"a": data[1], "b": data[0]})
        np.testing.assert_array_equal(by_name[1], runtime.run(data)[1])


def test_an_interpreter_finds_the_signature(two_ends: Any) -> None:
    interpreter = litert.Runtime(optim.export(two_ends)).interpreter
    assert interpreter.get_signature_list() == {
        "serving_default": {"inputs": ["a", "b"], "outputs": ["m", "z"]}
    }
    runner = interpreter.get_signature_runner()
    found = runner(b=np.ones((1, 8, 8, 4), "float32"), a=np.ones((1, 6), "float32"))
    assert found["z"].shape == (1, 8, 8, 3)


def test_post_training_data_of_several_inputs(two_ends: Any) -> None:
    rng = np.random.default_rng(0)
    b = rng.normal(size=(4, 8, 8, 4)).astype("float32")
    a = rng.normal(size=(4, 6)).astype("float32")
    files = [
        optim.export(two_ends, optimize="int8", representative_data=data)
        for data in ({"a": a, "b": b}, [[b, a]], iter([((b, a), 0)]), lambda: [[b, a]])
    ]
    assert len(set(files)) == 1


def test_sizes_of_open_inputs() -> None:
    x = keras.Input((None, None, 3), name="image")
    model = keras.Model(x, K.GlobalAveragePooling2D()(K.Conv2D(4, 3)(x)))
    shapes = {
        (16, 20, 3): (1, 16, 20, 3),
        (2, 16, 20, 3): (2, 16, 20, 3),
        (None, 16, 20, 3): (-1, 16, 20, 3),
    }
    for given, expected in shapes.items():
        assert litert.ends(optim.export(model, input_shape=given))[0][0].shape == expected
    by_name = optim.export(model, input_shape={"image": (16, 20, 3)})
    assert by_name == optim.export(model, input_shape=[(16, 20, 3)])
    open_batch = litert.Runtime(optim.export(model, input_shape=(None, 16, 20, 3)))
    assert open_batch.run(np.ones((5, 16, 20, 3), "float32"))[0].shape == (5, 4)


def test_half_precision_models_become_float32_files(images: np.ndarray) -> None:
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = toys.randomize(toys.TOYS["conv_bn_relu"]())
        assert model.output.dtype == "float16"
        assert sqnr(model, optim.export(model), images) > 50
        qat = optim.quantize_model(model, calibration_data=[images])
        report = optim.verify(optim.export(qat), {"float": model}, images)
        assert (report.int8_ops, report.outputs[0].dtype) == (1.0, "float32")
        assert report.comparisons[0].sqnr > 35
        assert {x.compute_dtype for x in model.layers[1:]} == {"float16"}
    finally:
        keras.mixed_precision.set_global_policy(before)


def test_nested_subclassed_and_recurrent_models(images: np.ndarray) -> None:
    for name in ("nested_twice", "subclassed", "dictionaries", "passthrough_output"):
        model = toys.randomize(toys.TOYS[name]())
        assert sqnr(model, optim.export(model), toys.batch_for(model)) > 100


def test_an_lstm_becomes_one_operation() -> None:
    x = keras.Input((5, 3))
    model = keras.Model(x, K.Dense(2)(K.LSTM(4)(x)))
    data = np.random.default_rng(0).normal(size=(3, 5, 3)).astype("float32")
    for options, least in (({}, 110), ({"optimize": "int8", "representative_data": data}, 20)):
        content = optim.export(model, **options)
        assert "UNIDIRECTIONAL_SEQUENCE_LSTM" in counts(content)
        assert sqnr(model, content, data) > least  # and samples do not leak into each other


@pytest.mark.parametrize("how", ["qat", "ptq"])
def test_equal_biases_are_quantized_per_channel(images: np.ndarray, how: str) -> None:
    """The converter gives every channel the number that is right for the first."""
    x = keras.Input((8, 8, 4))
    y = K.Conv2D(6, 3, bias_initializer="ones", activation="relu")(x)
    model = keras.Model(x, K.Conv2D(2, 1, bias_initializer="ones")(y))
    if how == "qat":
        content = optim.export(optim.quantize_model(model, calibration_data=[images]))
    else:
        content = optim.export(model, optimize="int8", representative_data=images)
    assert sqnr(model, content, images) > 35


POOL = (
    "conv_bn_relu", "lone_normalization", "rescaling_chain", "scale_after_convolution",
    "hard_swish_forms", "convolutions", "dense_everywhere", "joins", "mixer_block",
    "shared_layers_and_models", "op_layers",
)  # fmt: skip


@pytest.mark.parametrize("name", POOL)
def test_files_are_close_to_their_simulation(name: str) -> None:
    model = toys.randomize(toys.TOYS[name]())
    batch = toys.batch_for(model, size=8)
    qat = optim.quantize_model(model, calibration_data=[batch])
    report = optim.verify(optim.export(qat), {"simulation": qat}, batch)
    assert min(c.sqnr for c in report.comparisons) >= 30
    assert (report.int8_ops, report.islands) == (1.0, ())


@pytest.mark.parametrize("kind", ["float", "qat", "tfmot", "pruned", "ptq"])
def test_the_model_is_left_as_it_was(
    kind: str, small: Any, images: np.ndarray, state_of: Callable[[Any], Any]
) -> None:
    make: dict[str, Callable[[Any], Any]] = {
        "float": lambda m: m,
        "ptq": lambda m: m,
        "qat": lambda m: optim.quantize_model(m, calibration_data=[images]),
        "tfmot": tfmot.quantization.keras.quantize_model,
        "pruned": optim.prune_low_magnitude,
    }
    model = make[kind](small)
    model.compile("adam", "mse")
    model(images, training=False)
    before = state_of(model)
    options = {"optimize": "int8", "representative_data": images} if kind == "ptq" else {}
    content = optim.export(model, **options)
    assert state_of(model) == before
    assert optim.export(model, **options) == content  # and the file is the same every time
    if kind != "pruned":  # needs a callback
        model.train_on_batch(images, np.zeros((16, 3)))


@pytest.mark.parametrize("library", ["optim", "tfmot"])
def test_ranges_that_nothing_ever_set_are_warned_of(
    library: str, small: Any, images: np.ndarray
) -> None:
    made = {"optim": optim, "tfmot": tfmot.quantization.keras}[library].quantize_model(small)
    with pytest.warns(UserWarning, match=r"never calibrated or trained: .*optim\.calibrate"):
        optim.export(made)
    optim.calibrate(made, images)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        optim.export(made)


def test_one_step_of_training_is_enough_not_to_be_warned(small: Any, images: np.ndarray) -> None:
    qat = optim.quantize_model(small)
    qat.compile("sgd", "mse", run_eagerly=True)
    qat.train_on_batch(images, np.zeros((16, 3)))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        optim.export(qat)
