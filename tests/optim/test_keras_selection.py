"""Which Keras `import optim` accepts, and what it says when it refuses.

Most cases run in a child process that sees fake packages only: the choice is made before
TensorFlow is imported, so none is needed, and every case gets an environment of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FAKES = {
    # Like the real one, it notes at its own import which Keras it chose.
    "tensorflow": "import os\n_tf_uses_legacy_keras = os.environ.get('TF_USE_LEGACY_KERAS') == '1'",
    "tf_keras": "class Model: pass",
    "tensorflow_model_optimization": "",
    "distutils": "",  # gone from the standard library since Python 3.12
}


@pytest.fixture
def run(tmp_path):
    """Run code in a Python that has the fake packages and this checkout, nothing else."""

    def run(code: str, without: str = "", **environment: str) -> str:
        for name, source in FAKES.items():
            if name != without:
                (tmp_path / f"{name}.py").write_text(source)
        result = subprocess.run(
            [sys.executable, "-S", "-c", code],  # -S: no site-packages
            env={"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]), **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        lines = (result.stdout + result.stderr).strip().splitlines()
        return lines[-1] if lines else ""

    return run


def test_import_chooses_tf_keras_and_leaves_tensorflow_alone(run):
    code = (
        "import optim, os, sys; seen = {'tensorflow', 'tf_keras'} & {*sys.modules};"
        "print(os.environ['TF_USE_LEGACY_KERAS'], sorted(seen))"
    )
    assert run(code) == "1 []"
    assert run(code, KERAS_MODULE="tf_keras") == "1 []"
    assert run(code, KERAS_MODULE="") == "1 []"


def test_the_handles_import_on_first_use(run):
    code = "from optim._keras import keras, tf, tfmot; print(keras.__name__, tf.__name__)"
    assert run(code) == "tf_keras tensorflow"


@pytest.mark.parametrize("name", ["keras", "tensorflow.keras", "nonsense"])
def test_another_keras_module_is_refused(run, name):
    message = run("import optim", KERAS_MODULE=name)
    assert message.startswith("optim.errors.KerasModuleError")
    assert repr(name) in message
    assert "set KERAS_MODULE=tf_keras" in message


def test_a_wish_for_keras_3_is_refused(run):
    message = run("import optim", TF_USE_LEGACY_KERAS="0")
    assert message.startswith("optim.errors.KerasModuleError: TF_USE_LEGACY_KERAS='0'")
    assert "export TF_USE_LEGACY_KERAS=1" in message


def test_tensorflow_imported_too_early_is_refused(run):
    message = run("import tensorflow, optim")
    assert message.startswith("optim.errors.KerasModuleError: TensorFlow was imported before optim")
    assert "Import optim before TensorFlow, or export TF_USE_LEGACY_KERAS=1" in message


def test_a_variable_set_after_tensorflow_does_not_count(run):
    code = "import os, tensorflow; os.environ['TF_USE_LEGACY_KERAS'] = '1'; import optim"
    message = run(code)
    assert message.startswith("optim.errors.KerasModuleError: TF_USE_LEGACY_KERAS=1 was set after")


def test_tensorflow_imported_early_with_the_right_choice_is_fine(run):
    assert run("import tensorflow, optim; print('fine')", TF_USE_LEGACY_KERAS="1") == "fine"


def test_the_choice_is_checked_again_when_a_handle_is_used(run):
    code = (
        "import optim, os; from optim import _keras; del os.environ['TF_USE_LEGACY_KERAS'];"
        "import tensorflow; _keras.keras"
    )
    assert run(code).startswith("optim.errors.KerasModuleError: TensorFlow was imported before")


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("tensorflow", "tensorflow"),
        ("tf_keras", "tf_keras"),
        ("tensorflow_model_optimization", "tensorflow-model-optimization"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(run, module, package):
    message = run("import optim", without=module)
    assert message.startswith(
        f"optim.errors.MissingPackageError: optim needs the module {module!r}"
    )
    assert f"-m pip install {package}`" in message


def test_the_refusal_is_an_import_error_and_an_optim_error(run):
    code = """
import sys
try:
    import optim
except ImportError as error:
    print(type(error).__name__, [base.__name__ for base in type(error).__mro__][1:3])
"""
    assert run(code, KERAS_MODULE="keras") == "KerasModuleError ['OptimError', 'ImportError']"


def test_an_unknown_name_is_an_attribute_error(run):
    assert "has no attribute 'nonsense'" in run("import optim; optim.nonsense")
    assert run("import optim; print('load_model' in dir(optim))") == "True"


def test_the_real_handles_are_one_keras():
    import optim
    from optim._keras import keras, tf, tfmot

    assert keras.__version__.startswith("2.")
    assert tf.keras.Model is keras.Model
    assert issubclass(tfmot.quantization.keras.QuantizeWrapperV2, keras.layers.Layer)
    for name in optim.__all__:
        assert getattr(optim, name) is not None


@pytest.mark.parametrize("name", ["Quantize", "annotate", "prune_low_magnitude", "unprune"])
def test_what_is_no_model_or_is_of_keras_3_is_refused_with_a_remedy(name):
    import keras as keras_3

    import optim

    function = {
        "Quantize": optim.Quantize(),
        "annotate": optim.Quantize().annotate,
        "prune_low_magnitude": optim.prune_low_magnitude,
        "unprune": optim.unprune,
    }[name]
    layer = keras_3.layers.Dense(1)  # of models most of them take the twin
    model = keras_3.Sequential([keras_3.Input((2,)), layer])
    for refused in [layer, model] if name in ("annotate", "unprune") else [layer]:
        with pytest.raises(optim.errors.KerasModelError, match=r"of Keras 3.*import tf_keras"):
            function(refused)
    with pytest.raises(optim.errors.KerasModelError, match=r"expected .*, got builtins\.int"):
        function(3)


def test_an_error_with_several_problems_lists_them_all_and_survives_pickling():
    import pickle

    from optim.errors import Problem, UnsupportedModelError

    error = UnsupportedModelError(
        [Problem("a/b", "is bad", "do this"), Problem("c", "is worse")], "cannot prune 'm'"
    )
    assert str(error) == "cannot prune 'm':\n  - a/b: is bad -> do this\n  - c: is worse"
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.problems, str(copy)) == (error.problems, str(error))
