"""Where the inputs of a check come from, and that they fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.checking import data, words
from harness.vocabulary import UsageError


@pytest.fixture(scope="module")
def keras() -> Any:
    from optim._keras import keras

    return keras


def read(model: Any, word: str = "", **others: Any) -> Any:
    from dataclasses import asdict

    from optim.models.signature import declared_interface

    given = asdict(words.data(word, **others))
    return data.read(given, declared_interface(model), model)


def two_inputs(keras: Any) -> Any:
    a, b = keras.Input((3,), name="a"), keras.Input((2,), dtype="int32", name="b")
    table = keras.layers.Embedding(5, 3)(b)
    x = keras.layers.Concatenate()([a, keras.layers.Flatten()(table)])
    return keras.Model([a, b], keras.layers.Dense(1)(x))


def image_model(keras: Any, *first: Any) -> Any:
    inputs = keras.Input((None, None, 3))
    x = inputs
    for layer in first:
        x = layer(x)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))


def test_arrays_are_taken_by_name_then_by_order(keras: Any, tmp_path: Path) -> None:
    model = two_inputs(keras)
    a, b = np.ones((40, 3)), np.ones((40, 2), int)
    np.savez(tmp_path / "named.npz", labels=np.zeros(40), b=b, a=a)
    np.savez(tmp_path / "ordered.npz", x=a, y=b, z=b)
    for name in ("named.npz", "ordered.npz"):
        found = read(model, str(tmp_path / name), count=16)
        assert [x.shape for x in found.arrays] == [(16, 3), (16, 2)]
        assert [x.dtype for x in found.arrays] == ["float32", "int32"]
        assert not found.rough


def test_one_array_is_the_input(keras: Any, tmp_path: Path) -> None:
    model = keras.Sequential([keras.layers.Dense(1, input_shape=(3,))])
    np.save(tmp_path / "x.npy", np.zeros((5, 3)))
    assert read(model, str(tmp_path / "x.npy")).arrays[0].shape == (5, 3)


def test_arrays_that_do_not_fit_or_bring_code_are_refused(keras: Any, tmp_path: Path) -> None:
    import optim

    model = keras.Sequential([keras.layers.Dense(1, input_shape=(3,))])
    np.save(tmp_path / "x.npy", np.zeros((5, 4)))
    with pytest.raises(optim.OptimError, match="--data"):
        read(model, str(tmp_path / "x.npy"))
    np.save(tmp_path / "o.npy", np.array([{}] * 3, object), allow_pickle=True)
    with pytest.raises(UsageError, match="Python objects"):
        read(model, str(tmp_path / "o.npy"))


def test_images_are_resized_to_what_the_model_takes(keras: Any, tmp_path: Path) -> None:
    for number in range(6):
        folder = tmp_path / f"class{number % 2}"
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (20 + number, 30), (255, 0, 51)).save(folder / f"{number}.png")
    (tmp_path / "readme.txt").write_text("no image")
    found = read(image_model(keras), str(tmp_path), count=4, size=16)
    assert found.arrays[0].shape == (4, 16, 16, 3)
    np.testing.assert_allclose(found.arrays[0][0, 0, 0], [1, 0, 0.2], atol=1e-6)
    rescaling = image_model(keras, keras.layers.Rescaling(1 / 255))
    assert read(rescaling, str(tmp_path), size=16).arrays[0].max() == 255
    asked = read(rescaling, str(tmp_path), size=16, low=-1.0, high=1.0)
    assert (asked.arrays[0].min(), asked.arrays[0].max()) == (-1, 1)
    assert "pixels -1 to 1" in asked.told


def test_folders_that_are_of_no_use_are_refused(keras: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no image in it"):
        read(image_model(keras), str(tmp_path / "empty"))
    with pytest.raises(UsageError, match="one input of images"):
        read(two_inputs(keras), str(tmp_path / "empty"))
    (tmp_path / "empty" / "a.png").write_bytes(b"\x89PNG nonsense")
    with pytest.raises(UsageError, match=r"a\.png is no image"):
        read(image_model(keras), str(tmp_path / "empty"))


def test_a_function_returns_batches(
    keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "batches_of_tests.py").write_text(
        "import numpy as np\n"
        "def inputs():\n    return ([np.ones((3, 3)), np.ones((3, 2), int)] for _ in range(9))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = read(two_inputs(keras), "batches_of_tests:inputs", count=7)
    assert [len(x) for x in found.arrays] == [7, 7]


def test_a_fixed_batch_gets_whole_batches(keras: Any, tmp_path: Path) -> None:
    from dataclasses import asdict

    from optim.models.signature import declared_interface

    inputs = keras.Input((3,), batch_size=4)
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    for count, left in ((10, 8), (32, 16)):
        np.save(tmp_path / "x.npy", np.zeros((count, 3)))
        given = asdict(words.data(str(tmp_path / "x.npy"), count=14))
        found = data.read(given, declared_interface(model), model, 4)
        assert len(found.arrays[0]) == left
    np.save(tmp_path / "x.npy", np.zeros((3, 3)))
    with pytest.raises(UsageError, match="takes 4 at once"):
        data.read(given, declared_interface(model), model, 4)


def test_without_data_inputs_are_made_up_that_the_model_takes(keras: Any) -> None:
    model = two_inputs(keras)
    found = read(model, count=50)
    assert found.rough
    assert found.arrays[1].max() < 5, "rows of the embedding"
    model(found.arrays)
    photographs = read(image_model(keras), count=3, size=24)
    assert photographs.arrays[0].shape == (3, 24, 24, 3)
    assert 0 <= photographs.arrays[0].min() < photographs.arrays[0].max() <= 1
