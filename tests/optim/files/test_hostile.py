"""Files that bring code, point outside, grow, or are damaged: one sentence, and nothing runs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import zipfile

import h5py
import numpy as np
import pytest

import optim
from optim.errors import ModelFileError, Problem, UntrustedFileError
from optim.files.configs import problems
from optim.files.hdf5 import stored_bytes
from optim.files.operations import not_allowed
from optim.files.symbols import runs_code


@pytest.fixture
def witness(tmp_path):
    """A file that is there if code of a model has run."""
    return tmp_path / "it-ran"


@pytest.fixture
def lambda_model(keras, witness):
    inputs = keras.Input((3,))
    path = str(witness)
    x = keras.layers.Lambda(lambda x: (open(path, "w").close(), x)[1], name="evil")(inputs)
    return keras.Model(inputs, keras.layers.Dense(2)(x))


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model_saved"])
def test_a_lambda_does_not_run(lambda_model, witness, tmp_path, name):
    path = tmp_path / name
    lambda_model.save(path, **({"save_format": "tf"} if "." not in name else {}))
    witness.unlink(missing_ok=True)
    with pytest.raises(UntrustedFileError, match=r"evil .*Python code.*safe_mode=False") as found:
        optim.load_model(path)
    assert not witness.exists()
    assert "\n" not in str(found.value)
    assert [p.layer for p in found.value.problems][:1] == ["evil"]
    model = optim.load_model(path, safe_mode=False)
    model(np.zeros((1, 3), "float32"))
    assert witness.exists()


def test_a_class_of_a_module_that_the_file_names_is_not_imported(
    files, rewritten, tmp_path, monkeypatch
):
    (tmp_path / "trap_of_tests.py").write_text(
        "import pathlib\npathlib.Path(__file__).with_name('it-ran').touch()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    def change(config):
        layer = config["config"]["layers"][3]
        layer |= {"module": "trap_of_tests", "class_name": "Trap", "registered_name": "Trap"}
        return config

    for name in ("two.keras", "two.h5", "three.keras"):
        path = rewritten(files / name, tmp_path / name, change)
        with pytest.raises(UntrustedFileError, match="the class 'Trap' of the module 'trap_of"):
            optim.load_model(path)
    assert not (tmp_path / "it-ran").exists()


#: Parts of descriptions, with what is told of them.
REFUSED = [
    ({"class_name": "__lambda__", "config": {"value": ["4w=="]}}, "Python code"),
    ({"class_name": "Lambda", "config": {"function": ["4wEA", None, None]}}, "Python code"),
    (
        {
            "class_name": "Lambda",
            "config": {"function": {"class_name": "__tuple__", "items": []}},
        },
        "Python code",
    ),
    ({"class_name": "Lambda", "config": {"function": "system"}}, "Lambda of a function"),
    (
        {"class_name": "Lambda", "config": {"function": "known", "mask_type": "lambda"}},
        "Python code",
    ),
    ({"class_name": "TFOpLambda", "config": {"function": "io.write_file"}}, "calls tf.io"),
    ({"class_name": "SlicingOpLambda", "config": {"function": "io.read_file"}}, "calls tf.io"),
    ({"class_name": "TFOpLambda", "config": {"function": "py_function"}}, "calls tf.py"),
    ({"class_name": "TFOpLambda", "config": {"function": "raw_ops.ReadFile"}}, "ReadFile"),
    ({"class_name": "TFOpLambda", "config": {"function": "load_op_library"}}, "calls tf.load"),
    ({"class_name": "TFOpLambda", "config": {"function": "compat.v1.py_func"}}, "calls tf."),
    ({"class_name": "TFOpLambda", "config": {"function": "keras.utils.get_file"}}, "calls tf."),
    (
        {"class_name": "ClassMethod", "config": {"cls_symbol": "io.gfile.GFile"}},
        "calls a method",
    ),
    (
        {"class_name": "TensorFlowOpLayer", "config": {"node_def": '{"op": "PyFunc"}'}},
        "operation PyFunc",
    ),
    ({"class_name": "TFSMLayer", "config": {"filepath": "/tmp/x"}}, "loads a SavedModel"),
    ({"class_name": "TorchModuleWrapper", "config": {}}, "unpickles"),
    ({"class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}}, "reads the file"),
    ({"class_name": "TextVectorization", "config": {"vocabulary": "a"}}, "reads the file"),
    ({"class_name": "system", "module": "os", "config": {}}, "of the module 'os'"),
    ({"class_name": "load_model", "module": "keras.models", "config": {}}, "'load_model'"),
    ({"class_name": "get_file", "module": "keras.utils", "config": {}}, "'get_file'"),
    (
        {"class_name": "function", "config": "get_file", "module": "keras.utils"},
        "the function 'get_file'",
    ),
    (
        {"class_name": "function", "config": "system", "module": "os", "registered_name": "x"},
        "the function 'system'",
    ),
    (
        {"class_name": "SidecarEvaluator", "module": "tf_keras.utils", "config": {}},
        "SidecarEvaluator",
    ),
    (
        {"class_name": "__typespec__", "spec_name": "X", "module": "evil", "config": []},
        "type of 'evil'",
    ),
]


@pytest.mark.parametrize(("part", "told"), REFUSED)
def test_what_a_description_may_not_ask_for(part, told):
    deep = {"class_name": "Functional", "config": {"name": "m", "layers": [[{"x": part}]]}}
    found = list(problems(deep, {"known"}))
    assert len(found) == 1
    assert told in str(found[0])
    assert found[0].remedy


ALLOWED = [
    {"class_name": "Dense", "module": "keras.layers", "config": {"name": "d"}},
    {"class_name": "Functional", "module": "keras.src.engine.functional", "config": {}},
    {"class_name": "QuantizeWrapperV2", "module": "tensorflow_model_optimization.python.core"},
    {"class_name": "function", "config": "relu", "module": "builtins"},
    {"class_name": "function", "config": "mean_squared_error", "module": "keras.losses"},
    {"class_name": "Mine", "module": "mine", "registered_name": "known", "config": {}},
    {
        "class_name": "Lambda",
        "module": "keras.layers",
        "config": {"function": {"class_name": "function", "config": "known", "module": "mine"}},
    },
    {"class_name": "Lambda", "config": {"function": "known", "function_type": "function"}},
    {"class_name": "TFOpLambda", "config": {"function": "math.add"}},
    {"class_name": "TFOpLambda", "config": {"function": "__operators__.add"}},
    {"class_name": "TFOpLambda", "config": {"function": "concat"}},
    {"class_name": "TFOpLambda", "config": {"function": "keras.activations.relu"}},
    {"class_name": "StringLookup", "config": {"vocabulary": ["a", "b"]}},
    {"class_name": "StringLookup", "config": {"vocabulary": None}},
    {"class_name": "TensorFlowOpLayer", "config": {"node_def": '{"op": "AddV2"}'}},
]


@pytest.mark.parametrize("part", ALLOWED)
def test_what_a_description_may_ask_for(part):
    assert not list(problems([part], {"known"}))


def test_every_function_that_keras_makes_layers_of_here_is_allowed(keras):
    from optim._keras import tf

    inputs = keras.Input((4, 4, 2))
    x = tf.nn.relu(inputs) + 1.0
    x = tf.concat([x, tf.transpose(x, (0, 2, 1, 3))], -1)
    x = tf.image.resize(x[:, 1:], (4, 4)) @ tf.reshape(x, (-1, 4, 4, 4))
    model = keras.Model(inputs, tf.math.reduce_mean(x, (1, 2)))
    assert not list(problems(json.loads(model.to_json()), ()))


def test_a_description_of_any_depth_is_looked_through():
    deep: list = [REFUSED[0][0]]
    for _ in range(100_000):
        deep = [deep]
    assert len(list(problems(deep, ()))) == 1


@pytest.mark.parametrize(
    ("kind", "fits"),
    [
        ("MatMul", True), ("VarHandleOp", True), ("StatefulPartitionedCall", True),
        ("RandomUniform", True), ("HashTableV2", True), ("LookupTableFindV2", True),
        ("ReadFile", False), ("WriteFile", False), ("PyFunc", False), ("EagerPyFunc", False),
        ("PyFuncStateless", False), ("MatchingFiles", False), ("SaveV2", False),
        ("PrintV2", False), ("TextLineDataset", False), ("InitializeTableFromTextFileV2", False),
        ("DecodeProtoV2", False), ("ImmutableConst", False), ("RemoteCall", False),
        ("WriteSummary", False), ("NoSuchOperation", False),
    ],
)  # fmt: skip
def test_operations_that_reach_beyond_the_model(kind, fits):
    assert (not_allowed(kind) == "") is fits


def test_attributes_of_tensors():
    assert not runs_code("InstanceProperty", {"attr_name": "shape"})
    assert runs_code("InstanceMethod", {"attr_name": "_private"})


@pytest.mark.parametrize("where", ["signature", "nested"])
def test_a_graph_that_writes_files_is_not_loaded(tmp_path, where, witness):
    from optim._keras import tf

    class Evil(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, "x")])
        def run(self, x):
            if where == "nested":
                tf.cond(tf.reduce_sum(x) > 0, lambda: self.write(), lambda: tf.constant(0))
            else:
                self.write()
            return {"y": 2 * x}

        def write(self):
            tf.io.write_file(str(witness), "1")
            return tf.constant(1)

    evil = Evil()
    tf.saved_model.save(evil, str(tmp_path / "evil"), signatures=evil.run)
    with pytest.raises(UntrustedFileError, match="the operation WriteFile"):
        optim.load_model(tmp_path / "evil")
    assert not witness.exists()
    optim.load_model(tmp_path / "evil", safe_mode=False)(np.ones((1, 2), "float32"))
    assert witness.exists()


def test_a_zip_bomb_is_not_unpacked(files, tmp_path):
    path = tmp_path / "bomb.keras"
    shutil.copyfile(files / "two.keras", path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("assets/zeros", bytes(200 << 20))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ModelFileError, match="zip bomb"):
        optim.load_model(path)


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "..\\outside"])
def test_an_archive_that_points_outside_is_not_unpacked(files, tmp_path, name):
    path = tmp_path / "model.keras"
    shutil.copyfile(files / "two.keras", path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(ModelFileError, match="points outside"):
        optim.load_model(path)


def test_values_in_another_file_are_not_read(files, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(400))
    path = tmp_path / "model.h5"
    for add in (
        lambda file: file.create_dataset("x", (4,), "f4", external=[(tmp_path / "secret", 0, 16)]),
        lambda file: file.__setitem__("x", h5py.ExternalLink("other.h5", "/x")),
    ):
        shutil.copyfile(files / "two.h5", path)
        with h5py.File(path, "a") as file:
            add(file)
        with pytest.raises(ModelFileError, match="another file"):
            optim.load_model(path)


def test_a_dataset_far_larger_than_its_file_is_not_read(files, tmp_path):
    path = tmp_path / "model.h5"
    shutil.copyfile(files / "two.h5", path)
    with h5py.File(path, "a") as file:
        file.create_dataset("x", (1 << 34,), "f4", chunks=(1 << 16,), compression="gzip")
    with pytest.raises(ModelFileError, match="compression bomb"):
        optim.load_model(path)


def test_the_bytes_of_a_file_are_counted(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a/b"] = np.zeros((10, 2), "float32")
        file["a/c"] = np.zeros(3, "int8")
        file["again"] = file["a"]
    with h5py.File(tmp_path / "x.h5") as file:
        assert stored_bytes(file, 1000) == 83


@pytest.mark.parametrize("name", ["two.keras", "two.h5", "three.keras", "three.h5"])
def test_layers_far_larger_than_their_weights_are_not_made(files, rewritten, tmp_path, name):
    def change(config):
        config["config"]["layers"][-1]["config"]["units"] = 1 << 34
        return config

    path = rewritten(files / name, tmp_path / name, change)
    with pytest.raises(ModelFileError, match=r"want \d+ bytes of weights"):
        optim.load_model(path)


@pytest.mark.parametrize("name", ["two.keras", "three.keras", "two.h5", "three.h5"])
@pytest.mark.parametrize("kept", [0.2, 0.6, 0.97])
def test_a_file_that_was_cut_off_gives_one_sentence(files, tmp_path, name, kept):
    content = (files / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ModelFileError) as found:
        optim.load_model(path)
    assert "\n" not in str(found.value)
    assert str(path) in str(found.value)


def test_a_graph_of_no_end_is_not_read(files, tmp_path):
    shutil.copytree(files / "plain", tmp_path / "plain")
    os.truncate(tmp_path / "plain" / "saved_model.pb", 1 << 42)  # takes no room on the disk
    with pytest.raises(ModelFileError, match="as no message has"):
        optim.load_model(tmp_path / "plain")


@pytest.mark.parametrize("name", ["two_saved", "plain"])
@pytest.mark.parametrize("damage", ["cut", "noise", "no-variables", "metadata"])
def test_a_damaged_folder_gives_one_sentence(files, tmp_path, name, damage):
    path = tmp_path / name
    shutil.copytree(files / name, path)
    graph = path / "saved_model.pb"
    if damage == "cut":
        graph.write_bytes(graph.read_bytes()[:-1000])
    elif damage == "noise":
        graph.write_bytes(bytes(range(256)) * 40)
    elif damage == "no-variables":
        shutil.rmtree(path / "variables")
    else:
        (path / "keras_metadata.pb").write_bytes(b"\x0a\x05\x0a\x03{{{")
    with pytest.raises(ModelFileError) as found:
        optim.load_model(path)
    assert "\n" not in str(found.value)


def test_every_byte_of_a_small_file_may_be_wrong(files, tmp_path):
    content = (files / "two.h5").read_bytes()
    path = tmp_path / "two.h5"
    generator = np.random.default_rng(0)
    for _ in range(30):
        damaged = bytearray(content)
        for place in generator.integers(0, len(content), 20):
            damaged[place] = int(generator.integers(256))
        path.write_bytes(damaged)
        # A wrong byte in a weight is another weight; any other is told of as what it is.
        with contextlib.suppress(optim.OptimError):
            optim.load_model(path)


def test_deep_json_gives_one_sentence(files, tmp_path):
    path = tmp_path / "deep.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "[" * 200_000 + "]" * 200_000)
        archive.writestr("metadata.json", '{"keras_version": "2.21.0"}')
    with pytest.raises(ModelFileError, match="its description is no JSON"):
        optim.load_model(path)


def test_what_is_counted_are_layers():
    one = [Problem("a", "brings code", "take it out"), Problem("a", "names it", "take it out")]
    assert "more" not in str(UntrustedFileError("m.keras", one))
    two = [*one, Problem("b", "brings code", "take it out")]
    assert "; and 1 more of the kind -> " in str(UntrustedFileError("m.keras", two))
