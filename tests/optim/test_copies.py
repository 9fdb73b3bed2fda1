"""Copies and pickles of models with wrappers, in this process and in another."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import optim
from optim.errors import ConfigError

TRANSFORMS = {
    "pruned": optim.prune_low_magnitude,
    "polynomial": lambda model: optim.prune_low_magnitude(
        model, schedule="polynomial", end_step=10, depthwise=True
    ),
    "m by n": lambda model: optim.prune_low_magnitude(model, sparsity_m_by_n=(2, 4)),
    "clustered": lambda model: optim.cluster_weights(model, 4),
    "quantized": optim.quantize_model,
    "quantized 16": lambda model: optim.quantize_model(model, scheme="int16x8"),
    "preserving": lambda model: optim.quantize_model(optim.sparsify(model), preserve="sparsity"),
}
COPIES = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
}


@pytest.fixture(params=TRANSFORMS)
def transformed(request, keras, conv_model, photos):
    conv_model.compile("sgd", "mse")
    model = TRANSFORMS[request.param](conv_model)
    pruned = "quantized" not in request.param and request.param != "preserving"
    callbacks = optim.get_pruning_callbacks() if pruned else []
    model.compile("sgd", "mse")
    model.fit(photos / 255, np.zeros((4, 2)), epochs=2, verbose=0, callbacks=callbacks)
    return model, callbacks


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_is_the_same_and_apart(transformed, photos, how):
    model, callbacks = transformed
    made = COPIES[how](model)
    before = [weight.numpy().copy() for weight in model.weights]
    for new, old in zip(made.weights, before, strict=True):
        np.testing.assert_array_equal(new.numpy(), old)
    np.testing.assert_array_equal(made(photos), model(photos))
    made.fit(photos / 255, np.ones((4, 2)), verbose=0, callbacks=callbacks)
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), old)
    assert any(
        not np.array_equal(a.numpy(), b.numpy())
        for a, b in zip(made.weights, model.weights, strict=True)
    )


READ = """
import pickle, sys
import optim
with open(sys.argv[1], "rb") as file:
    with optim.custom_object_scope():  # which imports what the pickle names
        model = pickle.load(file)
optim.export(model, sys.argv[2])
"""


def test_a_pickle_is_read_in_another_process(conv_model, photos, tmp_path):
    for name in ("polynomial", "clustered", "preserving"):
        model = TRANSFORMS[name](conv_model)
        (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
        arguments = [str(tmp_path / "model.pickle"), str(tmp_path / "model.tflite")]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", READ, *arguments], check=True, env=env)
        assert (tmp_path / "model.tflite").read_bytes()[4:8] == b"TFL3"


def test_a_schedule_of_the_caller_needs_a_scope(conv_model, tfmot, photos):
    class Late(tfmot.sparsity.keras.ConstantSparsity):
        pass

    pruned = optim.prune_low_magnitude(conv_model, schedule=Late(0.5, 3))
    for made in COPIES.values():
        with pytest.raises(ConfigError, match=r"class Late of its pruning schedule is not known"):
            made(pruned)
        with optim.custom_object_scope({"Late": Late}):
            np.testing.assert_array_equal(made(pruned)(photos), pruned(photos))
