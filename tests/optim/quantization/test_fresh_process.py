"""A process that has made none of the models reads their files, to the bit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toys

from optim._keras import keras, tf
from optim.quantization.api import quantize_model
from optim.quantization.layers import Affine, HardSwish, LoneBatchNormalization
from optim.quantization.quantizers.quantizers import ChannelQuantizer, KernelQuantizer
from optim.quantization.quantizers.wrappers import QuantizeLayer, QuantizeWrapper

K = keras.layers
PROJECT = Path(__file__).parents[3]
FORMATS = ("keras", "h5")

# toy -> scheme: every kind of layer, wrapper and quantizer at least once
ZOO = {
    "conv_bn_relu": "int16x8",
    "lone_normalization": "int8",
    "rescaling_chain": "int8-per-tensor",
    "hard_swish_forms": "int8",
    "activations_inside": "int8",
    "one_and_three_dimensions": "int8",
    "joins": "int8",
    "shared_layers_and_models": "int8",
    "dictionaries": "int8",
    "attention": "int8",
    "recurrent": "int8",
    "op_layers": "int8",
    "capped_rectifiers": "int8-per-tensor",
}

CHILD = """
import json, sys
from pathlib import Path
import numpy as np
import optim

optim.import_registering()
from optim._keras import keras, tf, tfmot

def under_the_scope_of_tfmot(path):
    with tfmot.quantization.keras.quantize_scope():
        return keras.models.load_model(path)

def check(path, read):
    arrays = np.load(path.with_suffix(".npz"))
    try:
        model = read(path)
        given = [arrays[f"x{i}"] for i in range(len(model.inputs))]
        fed = tf.nest.pack_sequence_as(model.input, given)
        got = tf.nest.flatten(model(fed, training=False))
        expected = [arrays[f"y{i}"] for i in range(len(got))]
        equal = [np.array_equal(a, b) for a, b in zip(expected, got, strict=True)]
        return "equal" if all(equal) else f"differs: {equal}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"

report = {}
for way in (under_the_scope_of_tfmot, optim.load_model):  # in this order: the scope alone
    for path in Path(sys.argv[1]).iterdir():
        if path.suffix != ".npz":
            report[f"{path.name} {way.__name__}"] = check(path, way)
print(json.dumps(report))
"""


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: Any) -> Path:
    """A folder with both files of every model of the zoo, an input and its outputs."""
    folder: Path = tmp_path_factory.mktemp("zoo")
    seen: set[type] = set()
    for name, scheme in ZOO.items():
        keras.backend.clear_session()
        keras.utils.set_random_seed(0)
        model = toys.randomize(toys.TOYS[name]())
        batch = toys.batch_for(model)
        quantized = quantize_model(model, scheme=scheme, calibration_data=[batch])
        results = tf.nest.flatten(quantized(batch, training=False))
        arrays: dict[str, Any] = {f"y{i}": np.asarray(y) for i, y in enumerate(results)}
        arrays |= {f"x{i}": x for i, x in enumerate(tf.nest.flatten(batch))}
        np.savez(folder / f"{name}.npz", **arrays)
        for suffix in FORMATS:
            quantized.save(folder / f"{name}.{suffix}")
        for layer in quantized._flatten_layers(include_self=False):
            seen |= {type(layer), *(type(q) for _, q, _ in getattr(layer, "_weight_vars", ()))}
    needed = {
        Affine, HardSwish, LoneBatchNormalization, QuantizeLayer, QuantizeWrapper, ChannelQuantizer,
        KernelQuantizer,
    }  # fmt: skip
    assert needed <= seen
    return folder


def test_every_file_reads_to_the_bit(zoo: Path) -> None:
    """With `optim.load_model`, and under tfmot's own scope once the classes are registered."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(zoo)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    ways = ("under_the_scope_of_tfmot", "load_model")
    names = [f"{name}.{suffix} {way}" for name in ZOO for suffix in FORMATS for way in ways]
    assert json.loads(done.stdout.splitlines()[-1]) == dict.fromkeys(names, "equal")
