"""Keys: what an outcome depends on, and who writes them."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import records, techniques
from harness.cli import main
from harness.matrix.application import Application
from harness.matrix.cases import Case
from harness.provenance import keys, reference
from harness.provenance.codebase import Provenance
from harness.provenance.keys import key
from harness.records import Record
from harness.runs import conclude
from harness.stages.workbench import Options
from harness.techniques.builtin import Float, PruneTfmot, QatAnnotate
from harness.vocabulary import STAGES, UsageError

MakeRecord = Callable[..., Record]

NET = Application("Net", "net", "fakekeras.applications", "Net", "source")


def case(technique: Any = None, variant: str = "notop", application: Application = NET) -> Case:
    return Case(application, technique or PruneTfmot(), variant)


# --- the key ----------------------------------------------------------------------------


class Tuned(Float):
    """A technique with a setting."""

    id = "tuned"

    def __init__(self, sparsity: float) -> None:
        self.sparsity = sparsity


def test_a_key_is_the_same_as_long_as_nothing_changes() -> None:
    once = key(case(), "save", Options())
    assert len(once) == 24
    assert key(case(PruneTfmot()), "save", Options()) == once
    assert key(case(Tuned(0.5)), "save", Options()) == key(case(Tuned(0.5)), "save", Options())


def test_a_key_changes_with_everything_a_case_is_made_of() -> None:
    keys = [
        key(case(), "save", Options()),
        key(case(), "train", Options()),
        key(case(variant="top"), "save", Options()),
        key(case(QatAnnotate()), "save", Options()),
        key(case(Tuned(0.5)), "save", Options()),
        key(case(Tuned(0.8)), "save", Options()),
        key(case(application=dataclasses.replace(NET, source="other")), "save", Options()),
        key(case(application=dataclasses.replace(NET, function="Other")), "save", Options()),
        key(case(application=dataclasses.replace(NET, module="mine")), "save", Options()),
        *(
            key(case(), "save", dataclasses.replace(Options(), **changed))
            for changed in ({"input_size": 64}, {"batch": 1}, {"save_format": "keras"}, {"seed": 1})
        ),
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("library", ["tensorflow", "tf_keras", "tensorflow-model-optimization"])
def test_a_key_changes_with_every_library_version(
    monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.delenv("KERAS_MODULE", raising=False)
    before = key(case(), "save", Options())
    assert library in keys.libraries()
    monkeypatch.setattr(keys, "distribution_version", lambda name: f"1.0-{name == library}")
    changed = key(case(), "save", Options())
    monkeypatch.setattr(keys, "distribution_version", lambda name: "1.0-False")
    assert len({before, changed, key(case(), "save", Options())}) == 3


Load = Callable[..., Any]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Write a plug-in's module, import it, and return its technique."""
    monkeypatch.syspath_prepend(str(tmp_path))
    loaded: list[str] = []

    def write(name: str, body: str) -> Any:
        text = 'class Mine:\n    id = "mine"\n    stages = ("build", "save")\n    components = ()\n'
        tmp_path.joinpath(*name.split(".")).with_suffix(".py").write_text(text + body)
        importlib.invalidate_caches()
        loaded.append(name)
        return importlib.import_module(name).Mine()

    yield write
    for name in {part for one in loaded for part in (one, one.partition(".")[0])}:
        sys.modules.pop(name, None)


def test_a_key_changes_with_the_code_of_a_technique(load: Load) -> None:
    body = "    def transform(self, model):\n        return {}\n"
    keys = [
        key(case(load(f"plugin_{n}", text)), "save", Options())
        for n, text in enumerate(
            (
                body.format("model"),
                "    # what it does\n" + body.format("model  # nothing"),
                body.format("model.layers[0]"),
            )
        )
    ]
    assert keys[0] == keys[1] != keys[2]


def test_a_key_changes_with_what_a_technique_uses_of_its_own_package(
    tmp_path: Path, load: Load
) -> None:
    helper = tmp_path / "plugged" / "deep.py"
    helper.parent.mkdir()
    (helper.parent / "__init__.py").write_text("")
    body = (
        "    def transform(self, model):\n"
        "        from plugged.deep import rate\n"
        "        return rate()\n"
    )
    plugin = load("plugged.columns", body)

    def now() -> str:
        return key(case(plugin), "save", Options(), code=Provenance())

    helper.write_text("def rate():\n    return 1\n\ndef other():\n    return 1\n")
    before = now()
    helper.write_text("# a comment\ndef rate():\n    return  1\n\ndef other():\n    return 2\n")
    assert now() == before, "what it does not use does not count"
    helper.write_text("def rate():\n    return 2\n")
    assert now() != before


class Changed(Provenance):
    """The code as it is, with other digests for some components."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names = names

    def component(self, name: str) -> str:
        return "changed" if name in self.names else f"digest of {name}"

    def technique(self, technique: Any) -> str:
        return technique.id


@pytest.mark.parametrize(
    ("component", "stage"),
    [
        *(("numerics", "build"), ("building", "build"), ("transforming", "transform")),
        *(("training", "train"), ("saving", "save"), ("exporting", "export")),
        *(("running", "run"), ("comparing", "parity"), ("sparsity", "train")),
        *(("pruning", None), ("quantization", None)),
    ],
)
def test_a_component_counts_from_its_stage_on(component: str, stage: str | None) -> None:
    before = {until: key(case(), until, Options(), code=Changed()) for until in STAGES}
    after = {until: key(case(), until, Options(), code=Changed(component)) for until in STAGES}
    changed = [until for until in STAGES if after[until] != before[until]]
    assert changed == (list(STAGES[STAGES.index(stage) :]) if stage else [])


def test_what_failed_does_not_depend_on_the_stages_behind(
    make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def code_is(*changed: str) -> None:
        code = Changed(*changed)
        monkeypatch.setattr(keys, "here", lambda: code)

    def made(status: str, stage: str) -> Record:
        record = make_record("Net-prune-tfmot-notop", status=status, stage=stage, until="parity")
        return dataclasses.replace(record, key=keys.key_of(record, case(), "parity", Options()))

    code_is()
    failed, passed = made("fail", "transform"), made("pass", "parity")
    code_is("comparing")
    assert reference.holds(failed, case(), "parity", Options())
    assert not reference.holds(passed, case(), "parity", Options())
    # A shorter run comes to the same failure, if it comes that far ...
    assert not reference.holds(failed, case(), "build", Options())
    code_is("transforming")
    assert not reference.holds(failed, case(), "parity", Options())


def test_a_pass_says_nothing_of_a_run_that_goes_further(make_record: MakeRecord) -> None:
    record = make_record("Net-prune-tfmot-notop", key=key(case(), "save", Options()))
    assert reference.holds(record, case(), "save", Options())
    assert not reference.holds(record, case(), "parity", Options())


def test_the_code_of_a_technique_is_its_class_and_those_it_inherits_from() -> None:
    class Base(Float):
        pass

    class Same(Base):
        def transform(self, model: Any) -> Any:
            return [model]

    digest = Provenance().technique
    assert digest(Same()) == digest(Same())
    assert digest(Float()) != digest(PruneTfmot())


def test_a_technique_names_components_that_there_are() -> None:
    class Wrong(Float):
        id = "wrong"
        components = ("quantisation",)

    with pytest.raises(UsageError, match="component 'quantisation': did you mean quantization"):
        techniques.register(Wrong())


def test_a_key_changes_with_what_a_user_tells_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    before = key(case(), "save", Options())
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert key(case(), "save", Options()) == before, "what it is told anyway"
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    assert key(case(), "save", Options()) != before


# --- who writes it ------------------------------------------------------------------------


def test_no_command_but_a_run_writes_a_key(
    tmp_path: Path, make_record: MakeRecord, fake_keras: Callable[..., Path]
) -> None:
    fake_keras(Net=1)
    run = tmp_path / "run"
    run.mkdir()
    cases = [f"Net-{technique}-notop" for technique in ("float", "qat", "prune")]
    made = [make_record(one, key=f"key of {one}", code="then") for one in cases]
    records.write(run / records.RESULTS_NAME, made)
    expectations = str(tmp_path / "expectations.txt")
    merged, published = tmp_path / "merged.jsonl", tmp_path / "published"
    published.mkdir()
    for words in (
        ["accept", str(run), "--expectations", expectations],
        ["relabel", str(run), "--expectations", expectations],
        ["merge", str(run), "-o", str(merged)],
        ["publish", str(run), "-o", str(published), "--partial"],
        ["report", str(run), "-o", str(tmp_path / "pages")],
        ["status", str(run)],
    ):
        assert main.main(words) == 0, words
    for place in (run, merged, published):
        found = records.read(place).latest()
        assert {(one, found[one].key, found[one].code) for one in found} == {
            (one, f"key of {one}", "then") for one in cases
        }


def test_what_is_published_besides_keeps_its_key(
    tmp_path: Path, make_record: MakeRecord, fake_keras: Callable[..., Path]
) -> None:
    fake_keras(Net=1)
    lapsed = make_record("Net0-qat-notop", key="of old", until="parity", stage="parity")
    records.write(tmp_path / records.RESULTS_NAME, [lapsed])
    told = conclude.publish([make_record("Net0-float-notop", key="of now")], tmp_path)
    assert any("1 of them have lapsed" in line for line in told)
    assert [one.key for one in records.read(tmp_path).records] == ["of now", "of old"]
