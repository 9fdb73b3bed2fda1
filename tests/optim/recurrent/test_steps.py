"""Recurrent layers, lowered: the same numbers, simulated, trained, saved, and in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recurrent_layers import CONVOLUTIONS, LAYERS, of_features, of_images, signals

import optim
from optim._keras import keras, tf
from optim.graph.reader import read
from optim.quantization.building.builder import build
from optim.quantization.lowering.driver import lower
from optim.quantization.recurrent.layer import Recurrent
from optim.verification.compare import sqnr

K = keras.layers


def case(name: str) -> tuple[Any, np.ndarray]:
    return of_images(name) if name in CONVOLUTIONS else (of_features(LAYERS[name]), signals())


def outputs(model: Any, x: Any) -> list[np.ndarray]:
    return [np.asarray(y) for y in tf.nest.flatten(model(x))]


@pytest.mark.parametrize("name", [*LAYERS, *CONVOLUTIONS])
def test_a_lowered_layer_computes_the_same_numbers(name: str) -> None:
    model, x = case(name)
    graph = lower(read(model))
    assert any(isinstance(node.layer, Recurrent) for node in graph.nodes)
    for got, wanted in zip(outputs(build(graph), x), outputs(model, x), strict=True):
        assert np.abs(got - wanted).max() <= 1e-5 * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize("name", [*LAYERS, *CONVOLUTIONS])
def test_the_file_computes_what_is_simulated(name: str) -> None:
    model, x = case(name)
    quantized = optim.quantize_model(model, calibration_data=[x])
    content = optim.export(quantized)
    simulated, file = outputs(quantized, x), optim.litert.Runtime(content).run(x)
    for got, wanted, float_ in zip(file, simulated, outputs(model, x), strict=True):
        assert sqnr(wanted, got) >= 30
        assert sqnr(float_, wanted) >= 20
    report = optim.verify(content)
    assert report.int8_macs == 1


@pytest.mark.parametrize(
    "name", ["lstm", "gru states", "stacked sequences", "both lstm", "conv 2d"]
)
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_trained_one_is_saved_and_read_back(name: str, suffix: str, tmp_path: Path) -> None:
    model, x = case(name)
    quantized = optim.quantize_model(model, calibration_data=[x])
    before = [w.numpy() for w in quantized.trainable_weights]
    quantized.compile("adam", "mse")
    quantized.fit(x, [0 * y for y in outputs(model, x)], verbose=0)
    moved = [np.abs(w - b).max() for w, b in zip(quantized.trainable_weights, before, strict=True)]
    assert min(moved) > 0
    path = tmp_path / f"model{suffix}"
    quantized.save(path)
    loaded = optim.load_model(path)
    for got, wanted in zip(outputs(loaded, x), outputs(quantized, x), strict=True):
        assert np.array_equal(got, wanted)
    assert optim.export(loaded) == optim.export(quantized)
