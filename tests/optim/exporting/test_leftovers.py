"""Small files: names, tensors without operations, and tables that are written once."""

from __future__ import annotations

import numpy as np
import pytest

import optim
from optim._keras import keras
from optim.exporting.file_passes.leftovers import shortened
from optim.litert.writer import pack, unpack

K = keras.layers


@pytest.fixture(scope="module")
def content() -> bytes:
    inputs = keras.Input((6, 4), name="signal")
    x = K.Dense(3, activation="relu")(K.GRU(5, return_sequences=True)(inputs))
    model = keras.Model(inputs, K.Dense(2)(x))
    x = np.random.default_rng(0).normal(size=(8, 6, 4)).astype("float32")
    return optim.export(optim.quantize_model(model, calibration_data=[x]))


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("m/a/Fake;m/a/Fake/ReadVariableOp;m/a/Fake/ReadVariableOp_1", "m/a/Fake"),
        ("m/a/Relu;m/b/BiasAdd;m/b/MatMul", "m/a/Relu;m/b/BiasAdd;m/b/MatMul"),
        ("m/b/BiasAdd/ReadVariableOp", "m/b/BiasAdd/ReadVariableOp"),
        ("m/a/Relu;m/b/BiasAdd/ReadVariableOp", "m/a/Relu;m/b/BiasAdd/ReadVariableOp"),
        ("", ""),
    ],
)
def test_a_name_keeps_all_layers(name: str, short: str) -> None:
    assert shortened(name) == short


def test_every_tensor_is_one_of_an_operation(content: bytes) -> None:
    for graph in unpack(content).subgraphs:
        used = {*map(int, graph.inputs), *map(int, graph.outputs)}
        for op in graph.operators:
            used |= {*map(int, op.inputs), *map(int, op.outputs)}
        assert used - {-1} == set(range(len(graph.tensors)))


def test_what_was_written_is_not_smaller_when_it_is_written_again(content: bytes) -> None:
    file = unpack(content)
    before = [one.quantization for one in file.subgraphs[0].tensors]
    assert len(pack(file)) >= len(content)
    assert [one.quantization for one in file.subgraphs[0].tensors] == before  # not changed by it


def test_tables_that_are_written_once_are_everybodys(content: bytes) -> None:
    again = unpack(pack(unpack(content)))
    for graph, other in zip(unpack(content).subgraphs, again.subgraphs, strict=True):
        for one, copy in zip(graph.tensors, other.tensors, strict=True):
            assert one.name == copy.name
            assert list(one.shape) == list(copy.shape)
            if one.quantization is not None and one.quantization.scale is not None:
                np.testing.assert_array_equal(one.quantization.scale, copy.quantization.scale)
                assert one.quantization.quantizedDimension == copy.quantization.quantizedDimension
    x = np.ones((1, 6, 4), "float32")
    before, after = (
        optim.litert.Runtime(one).run(x)[0] for one in (content, pack(unpack(content)))
    )
    np.testing.assert_array_equal(before, after)
