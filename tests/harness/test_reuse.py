"""Reuse: what an outcome depends on, and when an earlier one still holds."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import records, reuse, session, techniques
from harness.applications import Application
from harness.cases import Case
from harness.paths import PROJECT
from harness.records import Record
from harness.reuse import Reference, code_digest, key
from harness.stages.bench import Options
from harness.techniques.builtin import Float, Pqat, PruneTfmot, QatAnnotate
from harness.words import STAGES, Status

MakeRecord = Callable[..., Record]

NET = Application("Net", "net", "fakekeras.applications", "Net", "source")


def case(technique: Any = None, variant: str = "notop", application: Application = NET) -> Case:
    return Case(application, technique or PruneTfmot(), variant)


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    reuse.module_code.cache_clear()
    reuse._class_code.cache_clear()


# --- code -------------------------------------------------------------------------------

CODE = '''\
"""A module."""

import os


class Scale(object):
    """Scales.

    Over several lines.
    """

    factor = 2.0

    def call(self, x):
        # A comment.
        if x:
            x = x * self.factor  # another
            x = x + 1
        return f"{x!r:>{10}} # {os.sep}"
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A module."""', '"""Another text."""'),
        ('"""A module."""', ""),
        ("    Over several lines.\n", "    Over several lines, ä ö ü.\n\n    And more.\n"),
        ("        # A comment.\n", ""),
        ("  # another", "  # yet another, with a 'quote"),
        ("        if x:", "        if   x :"),
        ("\n\n\nclass", "\nclass"),
        ("    factor = 2.0", "    factor   =   2.0   "),
    ],
)
def test_comments_docstrings_and_layout_do_not_change_a_digest(old: str, new: str) -> None:
    assert CODE.count(old) == 1
    assert code_digest(CODE.replace(old, new)) == code_digest(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2.0", "2.5"),
        ("import os", "import sys"),
        ("class Scale(object)", "class Scale(dict)"),
        ("            x = x + 1\n", ""),
        ("# {os.sep}", "- {os.sep}"),
        ('"{x!r', '"{x!s'),
        ("    factor = 2.0", '    factor = "2.0"'),
        ("        # A comment.\n", '        y = "# A comment."\n'),
    ],
)
def test_a_change_of_code_changes_the_digest(old: str, new: str) -> None:
    assert CODE.count(old) == 1
    assert code_digest(CODE.replace(old, new)) != code_digest(CODE)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("if a:\n    b()\n    c()\n", "if a:\n    b()\nc()\n"),
        ("if a:\n  if b:\n    c()\n  d()\n", "if a:\n  if b:\n    c()\nd()\n"),
        ("if a:\n    b()\n    'c'\n", "if a:\n    b()\n'c'\n"),
        ("if a:\n    b()\n    f'{c}'\n", "if a:\n    b()\nf'{c}'\n"),
        ("x = 'a b'\n", "x = 'ab'\n"),
        ("x = f'{a} b'\n", "x = f'{a}b'\n"),
        ('class A: "ü"; x = 1\n', 'class A: "ü"; x = 2\n'),
        ("x = '\\x0c'\ny = 1  # c\n".replace("\\x0c", "\x0c"), "x = ''\ny = 1\n"),
    ],
)
def test_white_space_that_means_something_changes_the_digest(one: str, other: str) -> None:
    assert code_digest(one) != code_digest(other)


def interpreters() -> dict[str, Path]:
    """Other versions of Python on this machine."""
    found = sorted((Path.home() / ".pyenv" / "versions").glob("3.1[03].*/bin/python"))
    return {python.parts[-3]: python for python in found}


DIGESTS = """
import json, sys
from harness.reuse import code_digest
print(json.dumps([code_digest(source) for source in json.load(sys.stdin)]))
"""

TRICKY = [
    CODE,
    'def f(x):\n    """Doc."""\n    return f"{x:{x}} {x!r} {{}} # no comment {\'#\'}"\n',
    'x = rf"""\n  # {1 +\n 1}\n"""  # comment\n',
    "if a:\n  if b:\n    c()\nf'{c}'\n'd'\n",
    'def f():\n    "one" " docstring" \\\n        " in parts"\n    return 1\n',
    "async def f():\n\t'''Tabs.'''\n\tawait g()\n",
    "def f(): 'one line'; return 1\n",
    "class A:\n    '''Ünï.'''\n    x = 'ünï'  # ünï\n",
    "if x:\n    pass\n    # last comment, deeper\n# and at the end",
    "",
]


@pytest.mark.parametrize("version", interpreters() or ["none"])
def test_every_python_comes_to_the_same_digest(version: str) -> None:
    if version == "none":
        pytest.skip("no other Python is installed here")
    keyed = ("harness/stages", "harness/techniques", "optim")
    own = [file for folder in keyed for file in sorted((PROJECT / folder).glob("*.py"))]
    sources = [*TRICKY, *(file.read_text(encoding="utf-8") for file in own)]
    done = subprocess.run(
        [interpreters()[version], "-c", DIGESTS],
        input=json.dumps(sources),
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [code_digest(source) for source in sources]


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
    assert library in reuse.libraries()
    monkeypatch.setattr(reuse, "distribution_version", lambda name: f"1.0-{name == library}")
    changed = key(case(), "save", Options())
    monkeypatch.setattr(reuse, "distribution_version", lambda name: "1.0-False")
    assert len({before, changed, key(case(), "save", Options())}) == 3


Load = Callable[..., Any]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Write a plug-in's module, import it, and return its technique."""
    monkeypatch.syspath_prepend(str(tmp_path))
    loaded: list[str] = []

    def write(name: str, body: str, depends_on: tuple[str, ...] = ()) -> Any:
        text = (
            'class Mine:\n    id = "mine"\n    exports_with = ()\n    stages = ("build", "save")\n'
            f"    depends_on = {depends_on!r}\n{body}"
        )
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        loaded.append(name)
        return importlib.import_module(name).Mine()

    yield write
    for name in loaded:
        del sys.modules[name]


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


def test_a_key_changes_with_the_code_of_the_modules_a_technique_depends_on(
    tmp_path: Path, load: Load
) -> None:
    helper = tmp_path / "reuse_helper" / "deep.py"
    helper.parent.mkdir()
    (helper.parent / "__init__.py").write_text("raise RuntimeError('imported')\n")
    helper.write_text("RATE = 1\n")
    alone, once, whole = (
        case(load(f"plugin_{n}", "    x = 1\n", depends_on))
        for n, depends_on in enumerate(((), ("reuse_helper.deep",), ("reuse_helper",)))
    )

    def now() -> list[str]:
        reuse.module_code.cache_clear()
        return [key(one, "save", Options()) for one in (alone, once, whole)]

    before = now()
    assert len(set(before)) == 3
    helper.write_text("# a comment\nRATE  =  1\n")
    assert now() == before
    helper.write_text("RATE = 2\n")
    after = now()
    assert after[0] == before[0]
    assert after[1] != before[1]
    assert after[2] != before[2]


def test_a_key_changes_with_the_code_of_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    digests: dict[str, str] = {}

    def code(name: str) -> str:
        return digests.get(name.rpartition(".")[2], name)

    monkeypatch.setattr(reuse, "module_code", code)
    before = {until: key(case(), until, Options()) for until in ("build", "train", "save")}
    digests["save"] = "changed"
    assert key(case(), "build", Options()) == before["build"]
    assert key(case(), "train", Options()) == before["train"]
    assert key(case(), "save", Options()) != before["save"]
    digests["bench"] = "changed"
    assert key(case(), "build", Options()) != before["build"]


@pytest.mark.parametrize(
    ("module", "stage"),
    [("conditioning", "build"), ("exporting", "export"), ("lower", "export"), ("litert", "run")],
)
def test_a_key_changes_with_what_a_stage_works_with_from_that_stage_on(
    monkeypatch: pytest.MonkeyPatch, module: str, stage: str
) -> None:
    digests: dict[str, str] = {}
    monkeypatch.setattr(
        reuse, "module_code", lambda name: digests.get(name.rpartition(".")[2], name)
    )
    before = {until: key(case(), until, Options()) for until in STAGES}
    digests[module] = "changed"
    changed = [until for until in STAGES if key(case(), until, Options()) != before[until]]
    assert changed == list(STAGES[STAGES.index(stage) :])


def test_what_failed_does_not_depend_on_the_stages_behind(
    make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests: dict[str, str] = {}
    monkeypatch.setattr(
        reuse, "module_code", lambda name: digests.get(name.rpartition(".")[2], name)
    )

    def made(status: str, stage: str) -> Record:
        record = make_record("Net-prune-tfmot-notop", status=status, stage=stage, until="parity")
        return dataclasses.replace(record, key=reuse.key_of(record, case(), "parity", Options()))

    failed, passed = made("fail", "transform"), made("pass", "parity")
    digests["parity"] = "changed"
    assert reuse.holds(failed, case(), "parity", Options())
    assert not reuse.holds(passed, case(), "parity", Options())
    # A shorter run comes to the same failure, if it comes that far ...
    assert not reuse.holds(failed, case(), "build", Options())
    digests["transform"] = "changed"
    assert not reuse.holds(failed, case(), "parity", Options())


def test_a_pass_says_nothing_of_a_run_that_goes_further(make_record: MakeRecord) -> None:
    record = known(make_record)
    assert reuse.holds(record, case(), "save", Options())
    assert not reuse.holds(record, case(), "parity", Options())


def test_the_code_of_a_technique_is_its_class_and_those_it_inherits_from() -> None:
    class Base(Float):
        depends_on = ("harness.words",)

    class Same(Base):
        pass

    first = reuse._class_code(Same)
    assert first == reuse._class_code(Same)
    assert first != reuse._class_code(Base)
    assert reuse._class_code(Float) != reuse._class_code(PruneTfmot)


# --- the reference run ------------------------------------------------------------------


def known(make_record: MakeRecord, **given: Any) -> Record:
    wanted = key(case(), "save", Options())
    return make_record("Net-prune-tfmot-notop", key=wanted, **given)


def look(record: Record, technique: Any = None) -> Record | None:
    one = case(technique)
    return Reference([record]).lookup(one, "save", Options())


def test_a_matching_outcome_of_a_stock_column_is_taken_with_its_date(
    make_record: MakeRecord,
) -> None:
    record = known(make_record, run_id="r0", started="2025-06-01T00:00:00+00:00")
    found = look(record)
    assert found is not None
    assert found.reused == {"run_id": "r0", "date": "2025-06-01T00:00:00+00:00"}
    assert dataclasses.replace(found, reused=None) == record


def test_the_date_of_the_real_attempt_survives_every_reuse(make_record: MakeRecord) -> None:
    first = {"run_id": "r0", "date": "2025-06-01T00:00:00+00:00"}
    again = known(make_record, run_id="r7", started="2026-01-01T00:00:00+00:00", reused=first)
    found = look(again)
    assert found is not None
    assert found.reused == first


def test_another_key_is_no_match(make_record: MakeRecord) -> None:
    assert look(dataclasses.replace(known(make_record), key="other")) is None
    assert Reference().lookup(case(), "save", Options()) is None


@pytest.mark.parametrize("technique", [Float(), techniques.registry()["prune"]])
def test_the_control_and_our_own_columns_are_always_run(technique: Any) -> None:
    one = case(technique)
    wanted = key(one, "save", Options())
    record = Record(one.id, "Net", "net", technique.id, "notop", "pass", "save", "save", key=wanted)
    assert Reference([record]).lookup(one, "save", Options()) is None


@pytest.mark.parametrize("status", Status)
def test_only_what_says_something_of_the_case_itself_lasts(
    make_record: MakeRecord, status: Status
) -> None:
    taken = look(known(make_record, status=str(status))) is not None
    assert taken is (status in (Status.PASS, Status.FAIL, Status.CRASH))


def test_the_reference_tells_times_memory_and_sizes(make_record: MakeRecord) -> None:
    reference = Reference(
        [
            make_record("A-float-notop", seconds=3.0, peak_rss_bytes=7, metrics={"parameters": 10}),
            make_record("A-float-top", seconds=4.0, peak_rss_bytes=9, metrics={"parameters": 99}),
            make_record("B-float-notop", seconds=0.0, peak_rss_bytes=None),
        ]
    )
    a, b, c = (dataclasses.replace(NET, name=name) for name in "ABC")
    known, new = case(Float(), application=a), case(application=a)
    unknown, stranger = case(Float(), application=b), case(application=c)
    # A case of a known application that never ran is expected to be as large as those like it:
    # two columns of the largest application, both new, once ran side by side and one was killed.
    assert reference.seconds([known, new, unknown, stranger]) == {known.id: 3.0, new.id: 3.0}
    assert [reference.peak(c) for c in (known, new, unknown, stranger)] == [7, 7, None, None]
    assert reference.sizes() == {"A": 10.0}


def test_a_new_case_is_expected_to_be_like_those_of_its_owner_and_variant(
    make_record: MakeRecord,
) -> None:
    # tfmot's clustering takes 16 GB of ResNetRS420, ours 8: that stock column ran out of memory
    # made every new column of ours wait for the machine to be empty.
    found = {
        "Net-cluster-tfmot-notop": 16,
        "Net-qat-top": 12,
        "Net-qat-notop": 8,
        "Net-prune-notop": 9,
        "Net-mine-notop": 99,  # a technique that is gone: whose it was is not known
    }
    reference = Reference(make_record(c, peak_rss_bytes=peak) for c, peak in found.items())
    assert reference.peak(case(Pqat())) == 9  # optim's, of this variant
    assert reference.peak(case(Pqat(), "top")) == 12
    assert reference.peak(case(PruneTfmot())) == 16  # tfmot's
    assert reference.peak(case(PruneTfmot(), "top")) == 12  # anyone's, of this variant
    assert reference.peak(case(Float(), "huge")) == 99  # anything of the application


# --- in a session -----------------------------------------------------------------------


@pytest.fixture
def worker(tmp_path: Path, fake_keras: Callable[..., Path]) -> Callable[..., session.Session]:
    fake_keras(Pass=1)

    def make(**given: Any) -> session.Session:
        settings = session.Settings(
            results=tmp_path,
            reference=tmp_path / "reference.jsonl",
            expectations=tmp_path / "expectations.txt",
            run_id="now",
            **given,
        )

        def run_case(request: Any) -> session.Outcome:
            stages = [{"name": "build", "status": "pass", "seconds": 0.5}]
            return session.Outcome(Status.PASS, stages, seconds=0.75)

        return session.Session(settings, run_case)

    return make


def test_a_session_takes_over_what_holds_and_runs_the_rest(
    tmp_path: Path, worker: Callable[..., session.Session]
) -> None:
    first = worker().run(case())
    control = worker().run(case(Float()))
    assert (first.reused, first.run_id, first.attempt) == (None, "now", 1)
    records.write(tmp_path / "reference.jsonl", [first, control])
    (tmp_path / records.RESULTS_NAME).unlink()
    again = worker()
    taken = again.run(case())
    assert taken.reused == {"run_id": "now", "date": first.started}
    assert taken.seconds == first.seconds == 0.75
    assert again.run(case(Float())).reused is None
    assert again.run(case(variant="top")).reused is None
    second = again.run(case())
    assert (second.reused, second.attempt) == (None, 2), "what was taken over was asked for again"
    assert worker(fresh=True).run(case(QatAnnotate())).reused is None


def test_fresh_takes_nothing(tmp_path: Path, worker: Callable[..., session.Session]) -> None:
    records.write(tmp_path / "reference.jsonl", [worker().run(case())])
    (tmp_path / records.RESULTS_NAME).unlink()
    assert worker(fresh=True).run(case()).reused is None
    (tmp_path / records.RESULTS_NAME).unlink()
    assert worker().run(case()).reused is not None


def test_a_reference_that_cannot_be_read_is_none(
    tmp_path: Path, worker: Callable[..., session.Session], make_record: MakeRecord
) -> None:
    newer = json.loads(make_record().to_json()) | {"schema": records.SCHEMA + 1}
    for content in ("broken\n", json.dumps(newer)):
        (tmp_path / "reference.jsonl").write_text(content)
        assert worker().run(case()).reused is None
