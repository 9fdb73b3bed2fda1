"""Rows of Keras 3: their columns, their stage, and their files; one case for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness import techniques
from harness.matrix import cases, discovery
from harness.matrix.application import Application
from harness.provenance import keys
from harness.runs.settings import Settings
from harness.stages import up_to
from harness.stages.workbench import Options
from harness.techniques import fits
from harness.vocabulary import KERAS_3, STAGES, UsageError

ROWS = {
    True: Application("Net", "net", "keras.applications", "Net", "a"),
    False: Application("Net", "net", "tf_keras.applications", "Net", "a"),
}

#: What works with the models of one of the two only.
ONLY = {
    True: {"ptq-keras3"},
    False: {"qat-tfmot", "qat-annotate", "prune-tfmot", "cluster-tfmot", "ptq-mct"},
}


@pytest.fixture(params=[True, False], ids=["keras", "tf_keras"])
def converted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    found: bool = request.param
    monkeypatch.setattr(discovery, "discover", lambda module=None: (ROWS[found],))
    monkeypatch.setenv("KERAS_MODULE", "keras" if found else "tf_keras")
    return found


def test_columns_are_those_that_make_sense(converted: bool) -> None:
    every = set(techniques.registry())
    of_it = {one for one, t in techniques.registry().items() if fits(t, converted)}
    assert every - of_it == ONLY[not converted]
    assert {c.technique.id for c in cases.Selection().cases()} == of_it - {"ptq-mct"}
    assert ROWS[converted].is_converted is converted


def test_a_column_for_other_models_is_refused_by_name(converted: bool) -> None:
    for one in ONLY[not converted]:
        with pytest.raises(UsageError, match=f"'{one}' is for models of .* only"):
            cases.Selection(techniques=(one,)).cases()
        with pytest.raises(UsageError, match=f"unknown case 'Net-{one}-notop'"):
            cases.parse(f"Net-{one}-notop")
    assert cases.parse("Net-qat-notop").application.is_converted is converted


def test_only_rows_of_keras_3_are_converted(converted: bool) -> None:
    module = ROWS[converted].module
    every = [one for one in STAGES if one != "convert" or converted]
    qat, ptq = (techniques.registry()[one].stages for one in ("qat", "ptq-int8"))
    assert list(up_to("parity", qat, module)) == every
    head = ("build", "convert") if converted else ("build",)
    assert up_to("parity", ptq, module) == (*head, "export", "run", "parity")
    assert up_to("convert", qat, module) == head
    assert up_to("convert", qat, "keras_like.applications") == ("build",)


def test_keys_tell_the_two_apart_and_count_the_conversion(converted: bool) -> None:
    class Code:
        def __init__(self, *changed: str) -> None:
            self.changed = changed

        def technique(self, technique: Any) -> str:
            return str(technique.id)

        def of_case(self, technique: Any, tried: Any) -> Mapping[str, str]:
            from harness.techniques.components import of_case

            names = of_case(technique.components, tried)
            return {name: "new" if name in self.changed else "old" for name in names}

    def key(until: str, *changed: str) -> str:
        case = cases.parse("Net-qat-notop")
        code: Any = Code(*changed)
        return keys.key(case, until, Options(), code=code)

    assert key("build") == key("build", "converting")
    assert (key("parity") == key("parity", "converting")) is not converted
    assert ("keras" in keys.libraries()) is converted
    assert "tf-keras" in keys.libraries() or "tf_keras" in keys.libraries()


def test_the_command_that_repeats_a_case_names_the_package(converted: bool) -> None:
    said = Settings(results=Path()).repro(cases.parse("Net-qat-top"))
    start = "KERAS_MODULE=keras " if converted else ""
    assert said == f"{start}python -m harness case Net-qat-top"


Call = Callable[..., str]


@pytest.fixture
def harness(tmp_path: Path) -> Call:
    def call(*words: str, module: str = KERAS_3) -> str:
        keep = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
        done = subprocess.run(
            [sys.executable, "-m", "harness", *words],
            env={**keep, "KERAS_MODULE": module, "XDG_CACHE_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def test_the_rows_are_the_forty_constructors(harness: Call) -> None:
    assert len(harness("list", "--what", "applications").splitlines()) == 40
    columns = [line.split()[0] for line in harness("list", "--what", "techniques").splitlines()]
    assert "ptq-keras3" in columns
    assert not ONLY[False] & set(columns)
    assert len(harness("list", "--techniques", "qat,ptq-keras3").splitlines()) == 80


def test_their_baseline_and_reports_are_their_own() -> None:
    code = "from harness import paths; print(paths.EXPECTATIONS, paths.REPORTS)"
    found = {}
    for module in ("keras", "tf_keras"):
        environment = {**os.environ, "KERAS_MODULE": module}
        out = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
        found[module] = [Path(word) for word in out.split()]
    ours, theirs = found["tf_keras"], found["keras"]
    assert [one.name for one in ours] == ["expectations.txt", "reports"]
    assert theirs == [ours[0].with_name("expectations-keras3.txt"), ours[1] / "keras3"]


@pytest.mark.parametrize(
    ("case", "stages", "figures"),
    [
        ("MobileNetV3Small-qat-notop", STAGES, {"int8_macs": 1.0, "float_islands": 0}),
        ("MobileNetV3Small-float-notop", STAGES, {"save_difference": 0.0}),
        (
            "MobileNet-ptq-keras3-top",
            ("build", "convert", "export"),
            {"status": "fail", "label": "nothing-quantized"},
        ),
    ],
)
def test_a_real_row(
    tmp_path: Path, case: str, stages: tuple[str, ...], figures: Mapping[str, object]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "case", case, "--json"],
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")},
            "KERAS_MODULE": KERAS_3,
            "XDG_CACHE_HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
    )
    record = json.loads(done.stdout)
    assert tuple(one["name"] for one in record["stages"]) == tuple(stages), record["failure"]
    assert record["status"] == figures.get("status", "pass")
    assert record["label"] == figures.get("label")
    assert record["repro"].startswith(f"KERAS_MODULE=keras python -m harness case {case}")
    assert record["metrics"]["conversion_difference"] <= 1e-5
    for name, value in figures.items():
        assert {**record, **record["metrics"]}[name] == value
