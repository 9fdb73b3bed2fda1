"""One small model in every format, written once; and what hostile files are made with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import optim

SHAPE = (6, 6, 3)


def small(keras):
    """(6, 6, 3) -> (4,), with a convolution, a normalization and a dense layer."""
    inputs = keras.Input(SHAPE, name="image")
    x = keras.layers.Conv2D(4, 3, use_bias=False, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(4, name="logits")(x), name="small")


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(1).uniform(size=(4, *SHAPE)).astype("float32")


@pytest.fixture(scope="session")
def files(tmp_path_factory, images):
    """Folder with `small` in each format, and `expected.npy`, what it computes of `images`."""
    from optim._keras import keras, tf

    folder = tmp_path_factory.mktemp("files")
    keras.utils.set_random_seed(3)
    two = small(keras)
    import keras as keras3

    three = small(keras3)
    three.set_weights(two.get_weights())
    np.save(folder / "expected.npy", two(images).numpy())
    for model, name in ((two, "two"), (three, "three")):
        model.save(folder / f"{name}.keras")
        model.save(folder / f"{name}.h5")
    two.save(folder / "two_saved", save_format="tf")
    two.export(str(folder / "two_export"))

    class Plain(tf.Module):
        def __init__(self):
            super().__init__()
            self.model = two

        @tf.function(input_signature=[tf.TensorSpec((None, *SHAPE), tf.float32, "image")])
        def run(self, image):
            return {"scores": self.model(image, training=False)}

    plain = Plain()
    tf.saved_model.save(plain, str(folder / "plain"), signatures=plain.run)
    optim.export(two, folder / "two.tflite")
    two.save_weights(folder / "only.weights.h5")
    return folder


@pytest.fixture
def in_python():
    """Run a program in a process of its own; it must end well."""

    def run(program: str) -> None:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture
def rewritten():
    """Copy a `.keras` file or an HDF5 file, its description changed by a function."""
    return _rewritten


def _rewritten(source: Path, target: Path, change) -> Path:
    """Copy a `.keras` file or an HDF5 file, its description changed."""
    if source.suffix == ".keras":
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
            for name in old.namelist():
                content = old.read(name)
                if name == "config.json":
                    content = json.dumps(change(json.loads(content))).encode()
                new.writestr(name, content)
        return target
    shutil.copyfile(source, target)
    with h5py.File(target, "r+") as file:
        config = change(json.loads(file.attrs["model_config"]))
        del file.attrs["model_config"]
        file.attrs["model_config"] = json.dumps(config)
    return target
