"""Models as packages and their examples build them, with code of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras as keras3
import numpy as np
import pytest

import optim

L, ops = keras3.layers, keras3.ops


class TokenAndPosition(L.Layer):
    def __init__(self, length: int, vocabulary: int, width: int) -> None:
        super().__init__()
        self.tokens = L.Embedding(vocabulary, width)
        self.positions = L.Embedding(length, width)

    def call(self, x: Any) -> Any:
        return self.tokens(x) + self.positions(ops.arange(0, ops.shape(x)[-1], 1))


class TransformerBlock(L.Layer):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = L.MultiHeadAttention(heads, width // heads)
        self.ffn = keras3.Sequential([L.Dense(2 * width, activation="gelu"), L.Dense(width)])
        self.first, self.second = L.LayerNormalization(), L.LayerNormalization()
        self.dropout = L.Dropout(0.1)

    def call(self, x: Any, padding_mask: Any = None, training: Any = None) -> Any:
        mask = None if padding_mask is None else ops.cast(padding_mask, "bool")[:, None, :]
        y = self.dropout(self.attention(x, x, attention_mask=mask), training=training)
        x = self.first(x + y)
        return self.second(x + self.ffn(x))


def text_encoder(rng: Any) -> tuple[Any, Any]:
    ids = keras3.Input((16,), dtype="int32", name="token_ids")
    mask = keras3.Input((16,), dtype="int32", name="padding_mask")
    x = TokenAndPosition(16, 50, 16)(ids)
    for _ in range(2):
        x = TransformerBlock(16, 2)(x, padding_mask=mask)
    pooled = L.Dense(8, activation="tanh")(x[:, 0])
    model = keras3.Model({"token_ids": ids, "padding_mask": mask}, {"all": x, "pooled": pooled})
    lengths = rng.integers(3, 17, (16, 1))
    return model, {
        "token_ids": rng.integers(0, 50, (16, 16)).astype("int32"),
        "padding_mask": (np.arange(16)[None] < lengths).astype("int32"),
    }


class Tower(keras3.Model):
    def __init__(self, vocabularies: dict[str, int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tables = {name: L.Embedding(size, 8) for name, size in vocabularies.items()}
        self.mlp = [L.Dense(32, activation="relu"), L.Dense(16)]

    def call(self, features: Any) -> Any:
        parts = [table(features[name]) for name, table in self.tables.items()]
        if "age" in features:
            parts.append(ops.expand_dims(features["age"], -1))
        x = ops.concatenate(parts, axis=-1)
        for layer in self.mlp:
            x = layer(x)
        return x


def two_towers(rng: Any) -> tuple[Any, Any]:
    inputs = {name: keras3.Input((), dtype="int32", name=name) for name in ("user", "movie")}
    inputs["age"] = keras3.Input((), name="age")
    query = Tower({"user": 50}, name="query")({k: inputs[k] for k in ("user", "age")})
    candidate = Tower({"movie": 80}, name="candidate")({"movie": inputs["movie"]})
    score = ops.sum(query * candidate, axis=-1, keepdims=True)
    return keras3.Model(inputs, score), {
        "user": rng.integers(0, 50, 32).astype("int32"),
        "movie": rng.integers(0, 80, 32).astype("int32"),
        "age": rng.normal(size=32).astype("float32"),
    }


class Bottleneck(keras3.Model):
    def __init__(self, filters: int, strides: int) -> None:
        super().__init__()
        self.a = L.Conv2D(filters, 3, strides, "same", use_bias=False)
        self.b = L.Conv2D(filters, 3, padding="same", use_bias=False)
        self.norm_a, self.norm_b = L.BatchNormalization(), L.BatchNormalization()
        self.short = keras3.Sequential([L.Conv2D(filters, 1, strides), L.BatchNormalization()])

    def call(self, x: Any, training: bool = False) -> Any:
        y = ops.relu(self.norm_a(self.a(x), training=training))
        y = self.norm_b(self.b(y), training=training)
        return ops.relu(y + self.short(x, training=training))


class Subclassed(keras3.Model):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = [Bottleneck(8, 1), Bottleneck(12, 2)]
        self.head = L.Dense(5)

    def call(self, x: Any, training: bool = False) -> Any:
        for block in self.blocks:
            x = block(x, training=training)
        return self.head(ops.mean(x, axis=(1, 2)))


def subclassed(rng: Any) -> tuple[Any, Any]:
    data = rng.random((16, 16, 16, 3)).astype("float32")
    model = Subclassed()
    model(data)
    return model, data


def speech(rng: Any) -> tuple[Any, Any]:
    inputs = keras3.Input((20, 8))
    x = L.Normalization(mean=np.zeros(8), variance=np.full(8, 2.0))(inputs)
    x = L.Conv1D(16, 5, strides=2, padding="same", use_bias=False)(x)
    x = L.ReLU(max_value=20.0)(L.BatchNormalization()(x))
    x = L.Bidirectional(L.GRU(8, return_sequences=True))(x)
    x = L.TimeDistributed(L.Dense(12, activation="relu"))(x)
    model = keras3.Model(inputs, L.Dense(6, activation="softmax")(x))
    return model, rng.normal(size=(16, 20, 8)).astype("float32")


@pytest.mark.parametrize("make", [text_encoder, two_towers, subclassed, speech])
def test_it_converts_exactly_and_quantizes(make: Callable[..., Any], twin: Any, rng: Any) -> None:
    model, data = make(rng)
    made = twin(model, data)
    quantized = optim.quantize_model(made, calibration_data=[data])
    report = optim.verify(optim.export(quantized), {"simulation": quantized, "float": made}, data)
    announced = {entry.node.path for entry in optim.plan(made).floats}
    unannounced = [x for x in report.islands if x.macs and not announced & set(x.layers)]
    assert not unannounced
    assert min(x.sqnr for x in report.comparisons if x.reference == "simulation") > 20
    assert min(x.sqnr for x in report.comparisons if x.reference == "float") > 15
