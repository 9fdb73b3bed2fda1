"""Scripts that show a failure without this project: the smallest that does, checked by running."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
from collections.abc import Iterable
from pathlib import Path

import pytest
from fake_records import record

from harness import records
from harness.cli.main import main
from harness.records import Failure, Record
from harness.repro import candidates, search
from harness.repro.candidates import Candidate
from harness.repro.recipes import RECIPES
from harness.vocabulary import STAGES, UsageError

NESTED = ("nested-model", None, None)


def nested(**changes: object) -> Record:
    return record("ConvNeXtTiny", "qat-tfmot", family="convnext", failing=NESTED, **changes)


def raising(text: str) -> list[dict[str, str]]:
    return [{"type": "ValueError", "message": text}]


def some() -> Iterable[Candidate]:
    for size in ("small", "middle", "large"):
        yield Candidate(size, (f"model = {size!r}",))


def test_the_first_that_fails_as_the_case_did_is_written() -> None:
    case = nested()
    wanted = case.failure.message if case.failure else ""
    scripts = []

    def run(text: str) -> list[dict[str, str]]:
        scripts.append(text)
        return raising(wanted if "middle" in text else "something else")

    found = search.find(case, some(), run)
    assert found is not None
    assert (found.candidate.says, found.tried, len(scripts)) == ("middle", 2, 2)
    assert found.script == scripts[1]


def test_none_is_written_where_none_fails_so() -> None:
    assert search.find(nested(), some(), lambda text: []) is None
    assert search.find(nested(), some(), lambda text: raising("another")) is None


def test_names_and_numbers_make_no_difference_and_classes_do() -> None:
    def case(text: str) -> Record:
        return dataclasses.replace(nested(), failure=Failure(type="RuntimeError", message=text))

    one = "Layer rescaling_3:<class 'tf_keras.layers.Rescaling'> is not supported."
    same = "Layer rescaling:<class 'tf_keras.layers.Rescaling'> is not supported."
    other = "Layer rescaling:<class 'tf_keras.layers.Softmax'> is not supported."
    assert search.same([{"type": "RuntimeError", "message": same}], case(one))
    assert not search.same([{"type": "RuntimeError", "message": other}], case(one))
    assert not search.same([{"type": "ValueError", "message": same}], case(one))


@pytest.mark.parametrize("technique", RECIPES)
def test_a_script_is_python_that_knows_nothing_of_this_project(technique: str) -> None:
    recipe = RECIPES[technique]
    for stage in recipe.stages:
        case = dataclasses.replace(nested(), technique=technique, stage=stage)
        for one in candidates.by_label("nested-model"):
            text = search.script(recipe, one, case, search.versions_of(recipe))
            tree = ast.parse(text)
            names = {
                alias.name.partition(".")[0]
                for node in ast.walk(tree)
                if isinstance(node, ast.Import)
                for alias in node.names
            }
            assert not names & {"optim", "harness"}
            used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
            for name, module in (("np", "numpy"), ("tf", "tensorflow"), ("keras", "tf_keras")):
                assert name not in used or module in names
            assert text.startswith("# Python 3.")


def test_stages_of_recipes_are_those_of_cases() -> None:
    for recipe in RECIPES.values():
        assert [s for s in STAGES if s in recipe.stages] == list(recipe.stages)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"status": "pass", "failure": None}, "passes"),
        ({"technique": "qat"}, "not what is shipped"),
        ({"stage": "parity"}, "only an exception up to export"),
        ({"status": "oom"}, "only an exception up to export"),
    ],
)
def test_what_no_script_can_show_is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        search.refuse_others(dataclasses.replace(nested(), **changes))


def test_layers_come_alone_first_and_then_with_those_before() -> None:
    told = [
        {"inputs": [[8, 8, 3]], "call": "keras.layers.Conv2D(4, 3)({x})"},
        {"inputs": [[6, 6, 4]], "call": "Scale()({x})", "import": "from m import Scale"},
    ]
    alone, both = candidates.of_layers(told)
    assert alone.lines == (
        "inputs = keras.Input((6, 6, 4))",
        "outputs = Scale()(inputs)",
        "model = keras.Model(inputs, outputs)",
    )
    assert both.lines[1:3] == ("x = keras.layers.Conv2D(4, 3)(inputs)", "outputs = Scale()(x)")
    assert both.imports == ("from m import Scale",)


def test_a_script_that_ends_well_raises_nothing() -> None:
    assert search.in_process("x = 1\n") == []
    (one,) = search.in_process("raise KeyError('k')\n")
    assert one == {"type": "KeyError", "message": "'k'"}
    chain = search.in_process(
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise OSError from e\n"
    )
    assert [link["type"] for link in chain] == ["OSError", "ZeroDivisionError"]


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("tf_keras") is None, reason="needs tf_keras")
def test_a_real_failure_is_shown_by_a_small_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = "Quantizing a keras Model inside another keras Model is not supported."
    failure = Failure(type="ValueError", message=message)
    records.write(tmp_path / "results.jsonl", [dataclasses.replace(nested(), failure=failure)])
    case = "ConvNeXtTiny-qat-tfmot-notop"
    path = tmp_path / "nested.py"
    assert main(["repro", case, "--results", str(tmp_path), "-o", str(path)]) == 0
    assert "a model made for the label" in capsys.readouterr().err
    (raised,) = search.in_process(path.read_text())[-1:]
    assert raised["message"] == message
