"""`harness check` on a real file of each format, and on a hostile one of each."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.checking import words
from harness.checking.asked import Asked
from harness.checking.checking import Checking, Found
from harness.execution.attempt import Limits
from harness.execution.runner import Runner
from harness.paths import PROJECT
from harness.vocabulary import UsageError

SHAPE = (8, 8, 3)


def small(keras: Any, *middle: Any) -> Any:
    inputs = keras.Input(SHAPE, name="image")
    x = keras.layers.Conv2D(4, 3, use_bias=False, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="bn")(x)
    for layer in middle:
        x = layer(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(4, name="logits")(x), name="small")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of one model in every format, hostile ones of each, and inputs."""
    import keras as keras3

    import optim
    from optim._keras import keras, tf

    assert optim
    found = tmp_path_factory.mktemp("anywhere")
    two, three = small(keras), small(keras3)
    trap = str(found / "it-ran")

    def evil(x: Any) -> Any:
        tf.io.write_file(trap, "1")
        return x

    evils = {
        "two": small(
            keras,
            keras.layers.Lambda(
                lambda x: (__import__("pathlib").Path(trap).touch(), x)[1], name="evil"
            ),
        ),
        "three": small(keras3, keras3.layers.Lambda(lambda x: x + 1, name="evil")),
    }
    for name, model in (("two", two), ("three", three)):
        model.save(found / f"{name}.keras")
        model.save(found / f"{name}.h5")
        evils[name].save(found / f"evil-{name}.keras")
        evils[name].save(found / f"evil-{name}.h5")
    two.save(found / "two_saved", save_format="tf")
    evils["two"].save(found / "evil-two_saved", save_format="tf")
    two.export(str(found / "two_export"))
    three.export(str(found / "three_export"), verbose=False)

    class Plain(tf.Module):  # type: ignore[misc, name-defined]
        @tf.function(input_signature=[tf.TensorSpec((None, *SHAPE), tf.float32, "image")])
        def run(self, image: Any) -> Any:
            return {"y": evil(image)}

    plain = Plain()
    tf.saved_model.save(plain, str(found / "evil-plain"), signatures=plain.run)
    (found / "cut.keras").write_bytes((found / "two.keras").read_bytes()[:4000])
    (found / "cut.h5").write_bytes((found / "two.h5").read_bytes()[:4000])
    (found / "bomb.keras").write_bytes((found / "two.keras").read_bytes())
    with zipfile.ZipFile(found / "bomb.keras", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("assets/zeros", bytes(150 << 20))
    images = np.random.default_rng(0).uniform(size=(12, *SHAPE)).astype("float32")
    np.savez(found / "images.npz", image=images)
    (found / "it-ran").unlink(missing_ok=True)
    return found


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """One for all, so that TensorFlow is imported once."""
    with Runner("harness.checking.runtime", Limits(300)) as one:
        yield one


Check = Callable[..., Found]


@pytest.fixture
def check(folder: Path, runner: Runner) -> Check:
    def run(name: str, technique: str = "ptq-int8", **more: Any) -> Found:
        asked = Asked(
            source=words.model(str(folder / name)),
            data=words.data(str(folder / "images.npz")),
            techniques=tuple(dict.fromkeys(("float", technique))),
            threads=1,
        )
        return Checking(dataclasses.replace(asked, **more), lambda line: None, runner).run(
            lambda record: None
        )

    return run


FORMATS = [
    "two.keras", "two.h5", "two_saved", "two_export", "three.keras", "three.h5", "three_export",
]  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_each_format_is_quantized_and_measured(check: Check, name: str) -> None:
    found = check(name)
    control, int8 = found.records
    assert (control.status, int8.status) == ("pass", "pass"), int8.failure
    assert control.metrics["samples"] == 12
    assert not control.metrics["rough"]
    assert int8.metrics["int8_ops"] == 1
    assert int8.metrics["sqnr_float_db"] > 25
    assert int8.metrics["latency_ratio"] > 0
    assert int8.repro.endswith("--techniques ptq-int8 --data " + found.records[0].repro.split()[-1])


HOSTILE = {
    "evil-two.keras": "Python code",
    "evil-two.h5": "Python code",
    "evil-two_saved": "Python code",
    "evil-plain": "WriteFile",
    "evil-three.keras": "Python code",
    "evil-three.h5": "Python code",
    "cut.keras": "damaged",
    "cut.h5": "damaged",
    "bomb.keras": "zip bomb",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_of_each_format_gives_one_sentence(
    check: Check, folder: Path, name: str
) -> None:
    with pytest.raises(UsageError, match=HOSTILE[name]) as found:
        check(name)
    assert "\n" not in str(found.value)
    assert ("--trust" in str(found.value)) is name.startswith("evil")
    assert not (folder / "it-ran").exists()


def test_a_file_that_is_trusted_is_checked(check: Check, folder: Path) -> None:
    found = check("evil-two.h5", "float", trust=True)
    assert found.control.passed, found.control.failure
    assert (folder / "it-ran").exists()
    (folder / "it-ran").unlink()


def test_a_plain_graph_is_refused_for_training_in_words(check: Check) -> None:
    (_, qat) = check("two_export", "qat").records
    assert (qat.status, qat.stage) == ("fail", "transform")
    assert qat.failure is not None
    assert "after training only" in qat.failure.message


def test_the_command_from_a_folder_that_has_nothing_to_do_with_the_project(
    folder: Path, tmp_path: Path
) -> None:
    def run(*given: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *given],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
            timeout=600,
        )

    out = tmp_path / "report"
    done = run(
        *("-m", "harness", "check", "two.keras", "--data", "images.npz", "-o", str(out)),
        *("--save", "--techniques", "ptq-int8,qat"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    page = (out / "index.html").read_text()
    for told in ("kernel is quantized", "fused with", "None: int8 throughout", "logits"):
        assert told in page
    for technique in ("float", "ptq-int8", "qat"):
        file = out / f"two-{technique}.tflite"
        written = file.read_bytes()
        file.unlink()
        again = run(str(file.with_suffix(".py")))
        assert again.returncode == 0, again.stderr
        assert file.read_bytes() == written
