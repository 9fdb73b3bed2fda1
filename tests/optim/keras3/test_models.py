"""Twins of models: structure, code of one's own, masks, states, formats, precision."""

from __future__ import annotations

import re
import warnings
from typing import Any

import keras as keras3
import numpy as np
import pytest

import optim
from optim.errors import KerasModelError, KerasModuleError, UnsupportedModelError

L, ops = keras3.layers, keras3.ops


def kinds(model: Any) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]


def test_a_sequential_model_stays_one(twin: Any) -> None:
    model = keras3.Sequential(
        [keras3.Input((8, 8, 3)), L.Conv2D(4, 3), L.BatchNormalization(), L.Flatten(), L.Dense(2)]
    )
    made = twin(model, training=(False, True))
    assert kinds(made) == ["Conv2D", "BatchNormalization", "Flatten", "Dense"]
    assert [x.name for x in made.layers] == [x.name for x in model.layers]


def test_nested_and_shared_models(twin: Any) -> None:
    inner = keras3.Sequential([keras3.Input((6,)), L.Dense(6, activation="relu")], name="inner")
    shared = L.Dense(6, name="shared")
    inputs = keras3.Input((6,))
    x = inner(shared(inner(shared(inputs))))
    made = twin(keras3.Model(inputs, x + inputs, name="outer"))
    assert made.count_params() == 2 * 42
    assert [x.name for x in made.layers if x.weights] == ["shared", "inner"]


def test_several_inputs_and_outputs_keep_names_and_structure(twin: Any) -> None:
    inputs = {"b": keras3.Input((4,), name="b"), "a": keras3.Input((3,), name="a")}
    x = ops.concatenate([L.Dense(4, name="left")(inputs["a"]), inputs["b"]], axis=-1)
    outputs = {"z": L.Dense(2, name="z")(x), "y": [ops.relu(x), x * 2.0]}
    model = keras3.Model(inputs, outputs, name="several")
    made = twin(model)
    assert made.input_names == ["a", "b"]
    assert made.output_names[2] == "z"
    assert made.output_names[:2] == [
        x._keras_history.operation.name for x in (outputs["y"][0], outputs["y"][1])
    ]


def test_operations_and_operators(twin: Any) -> None:
    inputs = keras3.Input((8, 6))
    x = (inputs - ops.mean(inputs, axis=-1, keepdims=True)) / ops.std(
        inputs, axis=-1, keepdims=True
    )
    x = ops.where(x > 0, x, 0.1 * x)[:, 1:-1]
    x = ops.einsum("bij,bkj->bik", x, x)
    x = ops.softmax(ops.clip(x, -3, 3), axis=1) @ ops.transpose(x, (0, 2, 1))
    x = ops.stack([x, ops.flip(x, axis=1), ops.roll(x, 1, axis=2)], axis=-1)
    x = ops.max(ops.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0))), axis=(1, 2))
    model = keras3.Model(inputs, ops.logsumexp(x, axis=-1, keepdims=True) + ops.tanh(x[..., :1]))
    twin(model)


ACTIVATIONS = (
    "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu linear "
    "log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus "
    "softsign sparse_plus sparsemax squareplus tanh tanh_shrink"
)


@pytest.mark.parametrize("name", ACTIVATIONS.split())
def test_activations(name: str, twin: Any) -> None:
    function = getattr(keras3.activations, name)
    inputs = keras3.Input((6,))
    inside = L.Dense(12, activation=function)(inputs)
    made = twin(keras3.Model(inputs, L.Activation(function)(inside)))
    assert "Dense" in kinds(made)


class Block(L.Layer):
    """A block of a transformer, with a weight of its own and what depends on training."""

    def __init__(self, drop: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.drop = drop
        self.norm = L.LayerNormalization()
        self.attention = L.MultiHeadAttention(2, 4, dropout=0.1)
        self.up, self.down = L.Dense(16, activation="gelu"), L.Dense(8)
        self.seed = keras3.random.SeedGenerator(1)

    def build(self, shape: Any) -> None:
        self.norm.build(shape)
        self.attention.build(shape, shape)
        self.up.build(shape)
        self.down.build((*shape[:-1], 16))
        self.gamma = self.add_weight(shape=(8,), initializer="ones", name="gamma")

    def call(self, x: Any, training: Any = None) -> Any:
        y = self.norm(x)
        x = x + self.path(self.attention(y, y), training)
        batch, length = ops.shape(x)[0], ops.shape(x)[1]
        y = ops.reshape(self.down(self.up(x)) * self.gamma, (batch, -1))
        return x + ops.reshape(y, (batch, length, 8))

    def path(self, x: Any, training: Any) -> Any:
        if not training or not self.drop:
            return x
        keep = 1 - self.drop
        shape = (ops.shape(x)[0], 1, 1)
        kept = ops.floor(keep + keras3.random.uniform(shape, seed=self.seed))
        return x / keep * kept


class Classifier(keras3.Model):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stem = L.Dense(8)
        self.blocks = [Block(name=f"block_{i}") for i in range(2)]
        self.head = L.Dense(3, name="head")

    def call(self, x: Any) -> Any:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(ops.mean(x, axis=1))


def test_subclassed_models_and_layers_are_traced(twin: Any, rng: Any) -> None:
    model = Classifier(name="classifier")
    data = rng.normal(size=(3, 5, 6)).astype("float32")
    model(data)
    made = twin(model, data)
    assert kinds(made).count("MultiHeadAttention") == 2
    assert kinds(made).count("Dense") == 6
    assert made.count_params() == model.count_params()


def test_code_that_does_something_else_in_training(rng: Any) -> None:
    inputs = keras3.Input((5, 8))
    model = keras3.Model(inputs, Block(0.9, name="block")(inputs))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        made = optim.from_keras3(model)
    data = rng.normal(size=(64, 5, 8)).astype("float32")
    plain, trained = made(data, training=False).numpy(), made(data, training=True).numpy()
    np.testing.assert_allclose(plain, model(data, training=False), atol=1e-5)
    skipped = np.isclose(plain, trained, atol=1e-6).all(axis=(1, 2))
    assert not skipped.all()
    assert len({x.round(3) for x in made(data, training=True).numpy().ravel()}) > 100


def test_masks_reach_those_that_go_by_them(twin: Any) -> None:
    inputs = keras3.Input((7,), dtype="int32")
    x = L.Embedding(5, 8, mask_zero=True)(inputs)
    x = x + L.MultiHeadAttention(2, 4)(x, x)
    x = L.Dropout(0.1)(L.Dense(8)(x))
    x = L.Bidirectional(L.LSTM(4, return_sequences=True))(x)
    model = keras3.Model(inputs, [L.GRU(3)(x), L.GlobalAveragePooling1D()(x)])
    data = np.array([[1, 2, 3, 0, 0, 0, 0], [4, 3, 2, 1, 1, 2, 0], [1, 0, 0, 0, 0, 0, 0]])
    twin(model, data)


def test_attention_with_masks_and_scores(twin: Any) -> None:
    query, value = keras3.Input((5, 8)), keras3.Input((7, 8))
    mask = keras3.Input((5, 7), dtype="bool")
    x, scores = L.MultiHeadAttention(2, 4)(
        query, value, attention_mask=mask, return_attention_scores=True
    )
    y = L.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True)
    z = L.GroupQueryAttention(4, 4, 2)(y, value, value)
    a = L.Attention(use_scale=True)([x, value]) + L.AdditiveAttention()([y, value])
    twin(keras3.Model([query, value, mask], [x, y, z, a, scores]))


def test_a_traced_twin_is_saved_and_loaded(twin: Any, rng: Any, tmp_path: Any) -> None:
    inputs = keras3.Input((5, 8))
    x = Block(0.5)(inputs)
    x = L.GroupQueryAttention(4, 4, 2)(x, x, use_causal_mask=True)[:, ::2]
    x = ops.einsum("bij,bkj->bik", x, x) / np.array([1.0, 2.0, 3.0], "float32")
    made = twin(keras3.Model(inputs, ops.softmax(x, axis=1)))
    data = rng.normal(size=(3, 5, 8)).astype("float32")
    for name in ("model.keras", "model.h5"):
        made.save(tmp_path / name)
        loaded = optim.load_model(tmp_path / name)
        np.testing.assert_allclose(loaded(data), made(data), atol=1e-6)


def test_a_normalization_computes_with_the_state_that_was_finalized(twin: Any) -> None:
    inputs = keras3.Input((6, 3))
    layer = L.Normalization()
    model = keras3.Model(inputs, layer(inputs))
    layer.adapt(np.random.default_rng(0).normal(2, 3, (50, 6, 3)).astype("float32"))
    adapted = layer.adapt_mean.numpy()
    layer.adapt_mean.assign([5.0, 6.0, 7.0])  # not finalized: it changes nothing
    made = twin(model)
    np.testing.assert_allclose(made.layers[-1].adapt_mean, adapted)
    made.layers[-1].adapt_mean.assign([1.0, 2.0, 3.0])
    made.layers[-1].finalize_state()
    optim.to_keras3(made, like=model)
    data = np.ones((2, 6, 3), "float32")
    np.testing.assert_allclose(model(data), made(data), atol=1e-6)


def test_states_between_recurrent_layers(twin: Any) -> None:
    inputs = keras3.Input((5, 4))
    x, *states = L.LSTM(3, return_sequences=True, return_state=True)(inputs)
    twin(keras3.Model(inputs, L.LSTM(3)(x, initial_state=states)))


def image_net(data_format: str) -> Any:
    last = data_format == "channels_last"
    inputs = keras3.Input((12, 12, 3) if last else (3, 12, 12))
    axis, known = -1 if last else 1, {"data_format": data_format}
    x = L.Conv2D(8, 3, use_bias=False, **known)(inputs)
    x = L.ReLU()(L.BatchNormalization(axis=axis)(x))
    y = L.DepthwiseConv2D(3, padding="same", **known)(x)
    x = L.MaxPooling2D(**known)(L.Add()([x, y]))
    x = L.Concatenate(axis=axis)([x, ops.relu(L.ZeroPadding2D(0, **known)(x))])
    return keras3.Model(inputs, L.GlobalAveragePooling2D(**known)(x))


@pytest.mark.parametrize("training", [False, True])
def test_channels_first(training: bool, rng: Any) -> None:
    # TensorFlow itself convolves channels first on no processor: channels last is the reference.
    first, last = image_net("channels_first"), image_net("channels_last")
    weights = [rng.uniform(0.5, 1, w.shape) for w in last.weights]
    last.set_weights(weights)
    first.set_weights(weights)
    made = optim.from_keras3(first)
    data = rng.normal(size=(4, 12, 12, 3)).astype("float32")
    wanted = np.asarray(last(data, training=training))
    got = np.asarray(made(data.transpose(0, 3, 1, 2), training=training))
    assert np.abs(wanted - got).max() <= 1e-5 * np.abs(wanted).max()
    kept = "InputLayer Permute Conv2D BatchNormalization ReLU DepthwiseConv2D Add MaxPooling2D"
    assert kinds(made)[:8] == kept.split()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_precision(policy: str, tf: Any) -> None:
    inputs = keras3.Input((8, 8, 3))
    x = L.Conv2D(4, 3, dtype=policy)(inputs)
    x = ops.relu(L.BatchNormalization(dtype=policy)(x)) * 0.5
    model = keras3.Model(inputs, L.Dense(2, dtype="float32")(L.Flatten(dtype=policy)(x)))
    made = optim.from_keras3(model)
    data = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    assert made.get_layer(model.layers[1].name).compute_dtype == model.layers[1].compute_dtype
    wanted, got = model(data).numpy(), made(data).numpy()
    assert np.abs(wanted - got).max() <= 1e-5 * np.abs(wanted).max()


def test_trainable_flags(twin: Any) -> None:
    inner = keras3.Sequential([keras3.Input((4,)), L.Dense(4, name="frozen")], name="inner")
    inner.layers[0].trainable = False
    inputs = keras3.Input((4,))
    made = twin(keras3.Model(inputs, L.Dense(2, name="learnt")(inner(inputs))))
    assert [x.name.split("/")[0] for x in made.trainable_weights] == ["learnt", "learnt"]


def test_the_compile_state_is_carried_over() -> None:
    inputs = keras3.Input((4,))
    model = keras3.Model(inputs, L.Dense(2, name="a")(inputs))
    schedule = keras3.optimizers.schedules.CosineDecay(0.1, 100)
    model.compile(
        keras3.optimizers.AdamW(schedule, weight_decay=0.01),
        keras3.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras3.metrics.SparseCategoricalAccuracy(name="top1")],
    )
    made = optim.from_keras3(model)
    assert type(made.optimizer).__name__ == "AdamW"
    assert made.optimizer.weight_decay == 0.01
    x, y = np.ones((8, 4), "float32"), np.zeros(8)
    wanted = model.evaluate(x, y, verbose=0, return_dict=True)
    got = made.evaluate(x, y, verbose=0, return_dict=True)
    assert got["top1"] == wanted["top1"]
    assert abs(got["loss"] - wanted["loss"]) < 1e-5


def test_what_has_no_equal_in_a_compile_state_is_named() -> None:
    inputs = keras3.Input((4,))
    model = keras3.Model(inputs, L.Dense(2)(inputs), name="net")
    model.compile("adam", keras3.losses.Circle())
    with pytest.warns(UserWarning, match="'net' is not compiled: tf_keras has no"):
        made = optim.from_keras3(model)
    assert made.optimizer is None


def test_another_backend_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = keras3.Input((4,))
    model = keras3.Model(inputs, L.Dense(2)(inputs))
    monkeypatch.setattr(keras3.config, "backend", lambda: "jax")
    with pytest.raises(KerasModuleError, match="Set KERAS_BACKEND=tensorflow before Keras"):
        optim.from_keras3(model)


def test_what_is_no_built_model_of_keras_3(keras: Any) -> None:
    with pytest.raises(KerasModelError, match="expected a model of Keras 3"):
        optim.from_keras3(keras.Sequential())
    with pytest.raises(KerasModelError, match="but no model"):
        optim.from_keras3(L.Dense(2))
    with pytest.raises(UnsupportedModelError, match="is not built"):
        optim.from_keras3(keras3.Sequential([L.Dense(2, name="d")], name="late"))


def test_a_model_quantized_by_keras_3_is_refused() -> None:
    inputs = keras3.Input((4,))
    model = keras3.Model(inputs, L.Dense(2, name="head")(inputs))
    model.quantize("int8")
    with pytest.raises(UnsupportedModelError, match=r"head: .* before model\.quantize"):
        optim.from_keras3(model)


class Failing(L.Layer):
    def call(self, x: Any) -> Any:
        return ops.convert_to_numpy(x) * 2


def test_code_that_cannot_be_traced_is_named_with_its_line() -> None:
    model = keras3.Sequential([L.Dense(2), Failing(name="failing")], name="net")
    model(np.zeros((1, 3), "float32"))
    with pytest.raises(UnsupportedModelError) as error:
        optim.from_keras3(model)
    (problem,) = error.value.problems
    assert problem.layer == "failing"
    assert re.search(r"raises \w+ in line \d+ of call\(\): \w", problem.reason)
    assert "keras.ops" in problem.remedy


class Positions(L.Layer):
    """Tokens and positions, as text encoders have them: the positions are constants."""

    def __init__(self, length: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tokens = L.Embedding(20, width, name="tokens")
        self.positions = L.Embedding(length, width, name="positions")
        self.scale = L.Dense(width, name="scale")

    def call(self, x: Any) -> Any:
        places = ops.arange(0, ops.shape(x)[-1], 1)
        wave = ops.reshape(ops.cast(places, "float32"), (1, -1, 1)) / 8.0
        return self.tokens(x) + self.positions(places) + self.scale(inputs=wave)


def test_layers_called_on_constants_keep_their_weights(twin: Any) -> None:
    inputs = keras3.Input((8,), dtype="int32")
    model = keras3.Model(inputs, L.Dense(3)(Positions(8, 6)(inputs)))
    made = twin(model)
    assert made.count_params() == model.count_params() + 16  # two constants of eight numbers
    assert len(made.trainable_weights) == len(model.trainable_weights) == 6
    for weight in made.trainable_weights:
        weight.assign(weight + 1.0)
    data = np.arange(16).reshape(2, 8)
    optim.to_keras3(made, like=model)
    np.testing.assert_allclose(model(data), made(data), rtol=1e-5)


class Distances(L.Layer):
    """Whole numbers of 64 bits beside constants, as relative positions have them."""

    def call(self, x: Any) -> Any:
        places = ops.cast(ops.arange(ops.shape(x)[1]), "int64")
        far = ops.abs(places[:, None] - places[None])
        three = ops.cast(3, "int64")
        near = ops.where(far < three, three - 1, far)
        return x @ ops.transpose(x, (0, 2, 1)) + ops.cast(three - near, "float32") * 0.1


class Rotary(L.Layer):
    """A range of floating-point numbers that are whole."""

    def call(self, x: Any) -> Any:
        width = ops.shape(x)[-1]
        index = ops.arange(0, width, 2, dtype="float32") / ops.cast(width, "float32")
        return x[..., ::2] * ops.cos(1.0 / ops.power(10000.0, index))


@pytest.mark.parametrize("layer", [Distances, Rotary])
def test_constants_keep_their_dtype(layer: Any, twin: Any) -> None:
    inputs = keras3.Input((None, 6))
    twin(keras3.Model(inputs, layer()(inputs)))
