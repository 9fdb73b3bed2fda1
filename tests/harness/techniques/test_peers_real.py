"""The peers themselves, on a network of a few layers."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import techniques
from harness.evidence import node_data
from harness.techniques.peers import interpreters
from harness.techniques.peers.tflite import settled

pytest.importorskip("tf_keras")

SHAPE = (16, 16, 3)


@pytest.fixture(scope="module")
def model() -> Any:
    import tf_keras as keras

    import optim  # noqa: F401  (chooses Keras before TensorFlow is imported)

    keras.utils.set_random_seed(1)
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", name="first")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(5, name="last")(x))


@pytest.fixture(scope="module")
def data() -> list[Any]:
    dice = np.random.default_rng(1)
    return [dice.uniform(-1, 1, (4, *SHAPE)).astype("float32") for _ in range(4)]


def exported(id: str, model: Any, data: Any, folder: Path) -> Path:
    technique = techniques.registry()[id]
    path = folder / "model.tflite"
    technique.export(model, path, SHAPE, data)
    return path


def judged(id: str, model: Any, data: Any, folder: Path) -> tuple[Any, float]:
    """Return the report on the file, and its SQNR to the model."""
    import optim
    from optim import litert
    from optim.verification.compare import sqnr

    path = exported(id, model, data, folder)
    found = litert.Runtime(path).run(np.concatenate(data))[0]
    return optim.verify(path), sqnr(model(np.concatenate(data)).numpy(), found)


def test_the_converter_takes_a_model_that_leaves_its_size_open(
    model: Any, data: Any, tmp_path: Path
) -> None:
    weights = [w.numpy() for w in model.weights]
    report, decibels = judged("ptq-tflite", model, data, tmp_path)
    assert report.int8_macs == 1
    assert not report.islands
    assert decibels > 25
    for before, after in zip(weights, model.weights, strict=True):
        np.testing.assert_array_equal(before, after.numpy())
    assert settled(model, SHAPE).input_shape == (None, *SHAPE)
    fixed = settled(model, SHAPE)
    assert settled(fixed, SHAPE) is fixed


needs_aeq = pytest.mark.skipif(
    importlib.util.find_spec("ai_edge_quantizer") is None, reason="needs the extra `peers`"
)


@needs_aeq
def test_ai_edge_quantizer_quantizes_the_float_file(model: Any, data: Any, tmp_path: Path) -> None:
    report, decibels = judged("ptq-aeq", model, data, tmp_path)
    assert report.int8_macs == 1
    assert decibels > 20
    assert [one.name for one in tmp_path.iterdir()] == ["model.tflite"], "nothing is left behind"


@needs_aeq
def test_ai_edge_quantizer_quantizes_weights_alone(model: Any, data: Any, tmp_path: Path) -> None:
    report, decibels = judged("ptq-aeq-dynamic", model, data, tmp_path)
    assert report.int8_macs == 0
    assert decibels > 30


@pytest.mark.slow
@pytest.mark.skipif("mct" not in interpreters.given(), reason="needs --peer-python mct=PATH")
def test_mct_quantizes_elsewhere(model: Any, data: Any, tmp_path: Path) -> None:
    report, decibels = judged("ptq-mct", model, data, tmp_path)
    assert report.int8_macs == 1
    assert decibels > 20


def test_the_layers_of_a_file_are_compared_with_those_of_the_float_file(
    model: Any, data: Any, tmp_path: Path
) -> None:
    from optim import export

    float_file = tmp_path / "float.tflite"
    export(model, float_file, input_shape=SHAPE)
    path = tmp_path / "int8.tflite"
    export(model, path, input_shape=SHAPE, optimize="int8", representative_data=data)
    found = node_data.layer_sqnr(path, float_file, data[0])
    kinds = node_data.kinds(path)
    assert found.keys() <= kinds.keys()
    assert len(found) >= 2
    assert all(20 < value <= node_data.MOST_DB for value in found.values())
    same = node_data.layer_sqnr(float_file, float_file, data[0])
    assert set(same.values()) == {node_data.MOST_DB}
    assert json.loads(node_data.gradient("x", found))["results"].keys() == found.keys()
    assert set(kinds.values()) <= {"int8", "conversion", "other"}
