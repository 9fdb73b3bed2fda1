"""The command line: what each command prints, writes and exits with."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import records, techniques
from harness.baseline import expectations
from harness.cli import main
from harness.failures.classify import BY_NAME
from harness.matrix import cases
from harness.matrix.cases import Selection
from harness.paths import PROJECT
from harness.provenance import keys, reference
from harness.records import Failure, Record
from harness.runs import conclude, options, results_lock
from harness.stages.workbench import Options
from harness.vocabulary import LISTINGS, STAGES, Exit

MakeRecord = Callable[..., Record]
FakeKeras = Callable[..., Path]

COMMANDS = (
    *("check", "list", "run", "case", "report", "summary"),
    *("merge", "publish", "results", "diff", "accept", "relabel", "explain"),
)


class Called:
    """One call of the command line in this process."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        self.lines = out.splitlines()


Call = Callable[..., Called]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*arguments: object) -> Called:
        capsys.readouterr()
        try:
            code = main.main([str(a) for a in arguments])
        except SystemExit as left:
            code = int(left.code or 0)
        return Called(code, *capsys.readouterr())

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, found: Sequence[Record], more: str = "") -> Path:
        path = tmp_path / name / records.RESULTS_NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        records.write(path, found)
        with path.open("a") as stream:
            stream.write(more)
        return path.parent

    return make


Write = Callable[..., Path]


def failing(make_record: MakeRecord, case: str, label: str = "nested-model") -> Record:
    message = "Quantizing a keras Model inside another keras Model is not supported."
    return make_record(
        case,
        status="fail",
        stage="transform",
        label=label,
        failure=Failure("ValueError", message),
    )


# --- help and listing -------------------------------------------------------------------


def test_the_help_says_what_there_is_and_how_it_exits(call: Call) -> None:
    done = call("--help")
    assert done.code == 0
    for command in COMMANDS:
        assert f"\n    {command} " in done.out
    told = done.out.partition("exit codes:")[2].partition("words:")[0]
    for code in Exit:
        assert f" {int(code)} " in told


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help(call: Call, command: str) -> None:
    done = call(command, "--help")
    assert done.code == 0
    assert done.lines[0].startswith(f"usage: harness {command}")
    assert len(done.lines) > 5


def test_every_argument_of_every_command_is_explained() -> None:
    (commands,) = (a for a in main._parser()._actions if isinstance(a, argparse._SubParsersAction))
    silent = [
        f"{name} {action.metavar or action.dest}"
        for name, parser in commands.choices.items()
        for action in parser._actions
        if not action.help
    ]
    assert silent == []


@pytest.mark.parametrize("arguments", ["--help", "run --help", "explain oom"])
def test_what_needs_no_run_is_quick_and_imports_nothing_heavy(
    tmp_path: Path, arguments: str
) -> None:
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "harness", *arguments.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    after = os.times()
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "harness.cli.main" in imported
    heavy = {"tensorflow", "tf_keras", "keras", "pandas", "jinja2", "numpy"}
    assert imported & heavy == set()
    spent = after.children_user + after.children_system
    assert spent - before.children_user - before.children_system < 1.0


def test_a_word_that_is_no_command_or_option_is_a_usage_error(call: Call) -> None:
    assert call("lisst").code == 2
    done = call("list", "--aplications", "x")
    assert done.code == 2
    assert "unrecognized arguments: --aplications x" in done.err


def test_without_a_command_it_prints_its_help(call: Call) -> None:
    done = call()
    assert done.code == 2, "a script that leaves the command out should not go on"
    assert done.out == call("--help").out
    assert done.err == ""


def test_list_shows_what_a_run_would_have(call: Call, fake_keras: FakeKeras) -> None:
    fake_keras(Pass=2, Rank=1)
    assert call("list").lines == [c.id for c in Selection().cases()]
    done = call("list", "--applications", "Pass*", "--techniques", "prune,float")
    assert done.lines == [f"Pass{n}-{t}-notop" for n in (0, 1) for t in ("prune", "float")]
    both = call("list", "--techniques", "prune", "--variants", "top,notop")
    assert len(both.lines) == 6
    families = call("list", "--what", "families")
    assert families.lines == ["net_pass", "net_rank"]
    assert len(call("list", "--what", "applications").lines) == 3
    columns = [t.id for t in techniques.registry().values() if techniques.fits(t, False)]
    listed = call("list", "--what", "techniques").lines
    assert [line.split()[0] for line in listed] == columns
    assert call("list", "--what", "stages").lines == list(STAGES)
    assert len(call("list", "--what", "labels").lines) == len(BY_NAME)
    assert [line.split()[0] for line in call("list", "--what", "variants").lines] == [
        "notop",
        "top",
    ]


def test_list_refuses_unknown_words_with_the_nearest(call: Call, fake_keras: FakeKeras) -> None:
    fake_keras(Pass=1)
    done = call("list", "--applications", "Pas0")
    assert done.code == 2
    assert done.err == "harness: unknown application 'Pas0': did you mean Pass0?\n"
    assert done.out == ""


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ("list --applications zzzz", "application"),
        ("list --applications family:zzzz", "family"),
        ("list --techniques zzzz", "technique"),
        ("explain zzzz", "label"),
        ("case zzzz", "case"),
    ],
)
def test_a_word_like_none_is_answered_with_the_command_that_shows_all(
    call: Call, fake_keras: FakeKeras, arguments: str, kind: str
) -> None:
    package = fake_keras(Pass=13) / "fakekeras"
    index = package / "applications" / "__init__.py"
    for n in range(13):  # as many families
        (package / "src" / "applications" / f"net_{n}.py").write_text(f"def Odd{n}(): ...\n")
        line = f"from fakekeras.src.applications.net_{n} import Odd{n}\n"
        index.write_text(index.read_text() + line)
    done = call(*arguments.split())
    assert done.code == 2
    told = re.fullmatch(
        rf"harness: unknown {kind} '\w+': `python -m harness (.+)` shows all (\d+)\n", done.err
    )
    assert told is not None, done.err
    assert told[1] == LISTINGS[kind]
    assert len(call(*told[1].split()).lines) == int(told[2]) > 12


def test_an_application_of_ones_own_is_found_from_the_folder_of_the_call(
    call: Call, fake_keras: FakeKeras, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_keras(Pass=1)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "mynets.py").write_text("def Net(): ...\n")
    monkeypatch.chdir(tmp_path / "here")
    done = call("list", "--applications", "mynets:Net", "--techniques", "float")
    assert (done.code, done.lines) == (0, ["Net-float-notop"])


def test_explain_tells_cause_remedy_and_links(call: Call) -> None:
    done = call("explain", "nested-model")
    assert done.lines[0] == "nested-model: nested model"
    assert done.lines[1].startswith("  cause   tfmot refuses a model")
    assert any(line.startswith("  remedy  Inline the inner model") for line in done.lines)
    assert any(line.startswith("  link    https://") for line in done.lines)
    assert len(call("explain").lines) == len(BY_NAME)
    assert call("explain", "control").code == 0
    unknown = call("explain", "nested")
    assert unknown.code == 2
    assert "unknown label, case, layer or application 'nested': " in unknown.err
    assert "did you mean nested-model" in unknown.err


def test_explain_shows_examples_of_the_reference_run(
    call: Call, write: Write, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [failing(make_record, f"N{n}-qat-tfmot-notop") for n in range(7)]
    found += [make_record(f"N{n}-qat-notop") for n in (0, 1, 2, 3, 8)]
    found += [failing(make_record, "N4-qat-notop", "save-load")]
    monkeypatch.setattr("harness.paths.REPORTS", write("reports", found))
    lines = call("explain", "nested-model").lines
    assert "  answer  qat passes 4 of 5 of them (qat-tfmot)" in lines
    assert not any("prune" in line for line in lines if line.startswith("  answer")), (
        "not run there"
    )
    errors = [line for line in lines if line.startswith("  error ")]
    assert len(errors) == 1, "equal errors are told once"
    assert (
        "7 cases: N0-qat-tfmot-notop, N1-qat-tfmot-notop, N2-qat-tfmot-notop, 4 more"
        in " ".join(" ".join(lines).split())
    )
    assert not any(line.startswith("  error") for line in call("explain", "oom").lines)


def test_explain_tells_all_of_a_long_example_and_cuts_no_word(
    call: Call, write: Write, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "a shape of four-dimensional things " * 8 + f"@ {'a/' * 50}file.py:function"
    long = dataclasses.replace(failing(make_record, "N-qat-tfmot-notop"), fingerprint=message)
    monkeypatch.setattr("harness.paths.REPORTS", write("reports", [long]))
    lines = call("explain", "nested-model").lines
    lines = lines[[line.startswith("  error ") for line in lines].index(True) :]
    assert " ".join(lines).split() == ["error", *message.split(), "1", "case:", long.case]
    assert max(len(line) for line in lines if "file.py" not in line) <= 88


# --- one case ---------------------------------------------------------------------------


def test_case_runs_one_case_and_shows_its_record(call: Call, fake_keras: FakeKeras) -> None:
    fake_keras(Nested=1, Pass=1)
    done = call("case", "Nested0-prune-notop", "--runtime", "fakes.fake_runtime")
    assert done.code == 1, "pytest fails it too"
    assert done.lines[0] == "Nested0-prune-notop: fail at transform (nested-model)  [new]"
    assert "  ValueError: Quantizing a keras Model inside another keras Model is" in done.out
    assert "  remedy  Inline the inner model" in done.out
    assert call("case", "Pass0-prune-top", "--runtime", "fakes.fake_runtime").code == 0


def test_case_prints_the_record_as_json(call: Call, fake_keras: FakeKeras) -> None:
    fake_keras(Pass=1)
    words = "--until transform --batch 3 --seed 5 --save-format keras --case-timeout 50"
    done = call(
        "case", "Pass0-prune-top", "--runtime", "fakes.fake_runtime", "--json", *words.split()
    )
    (line,) = done.lines
    record = Record.from_dict(json.loads(line))
    assert (record.case, record.status, record.stage) == ("Pass0-prune-top", "pass", "transform")
    assert record.repro == (
        "python -m harness case Pass0-prune-top --until transform --batch 3 --save-format keras "
        "--seed 5"
    )
    assert record.environment["seed"] == 5
    assert record.metrics["parameters"] == len("Pass0")


def test_the_repro_line_of_a_case_of_ones_own_says_where_it_is(
    call: Call, fake_keras: FakeKeras, tmp_path: Path
) -> None:
    fake_keras(Pass=1)
    (tmp_path / "mynets.py").write_text("def Odd7(): ...\n")
    own = ("--applications", "mynets:Odd7", "--runtime", "fakes.fake_runtime")
    done = call("case", "Odd7-prune-notop", "--json", *own)
    record = Record.from_dict(json.loads(done.out))
    assert (record.status, record.label) == ("fail", "unclassified")
    assert record.repro == ("python -m harness case Odd7-prune-notop --applications mynets:Odd7")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("Pass0-prun-notop", "unknown case 'Pass0-prun-notop': did you mean Pass0-prune-notop"),
        ("Pass0-prune-notop --until safe", "unknown stage 'safe': did you mean save"),
        ("Pass0-prune-notop --applications nowhere:Net", "there is no module 'nowhere'"),
        ("Pass0-prune-notop --runtime nosuch", "--runtime nosuch: No module named 'nosuch'"),
        ("Pass0-prune-notop", "KERAS_MODULE=fakekeras: tensorflow-model-optimization works with"),
    ],
)
def test_case_refuses_what_cannot_be(
    call: Call, fake_keras: FakeKeras, arguments: str, message: str
) -> None:
    fake_keras(Pass=1)
    done = call("case", *arguments.split())
    assert done.code == 2
    assert done.out == ""
    assert message in done.err


# --- diff, merge, report, summary -------------------------------------------------------


def test_diff_tells_two_runs_apart_and_exits_accordingly(
    call: Call, write: Write, make_record: MakeRecord
) -> None:
    same = [make_record("A-float-notop"), failing(make_record, "B-prune-notop")]
    before = write("before", [*same, make_record("C-prune-notop")])
    worse = write("worse", [*same, failing(make_record, "C-prune-notop")])
    better = write("better", [make_record(r.case) for r in records.read(before).records])
    other = write("other", [same[0], failing(make_record, "B-prune-notop", "oom")])
    assert call("diff", before, before).code == 0
    regressed = call("diff", before, worse)
    assert regressed.code == 1
    assert any(line.startswith("! C-prune-notop") for line in regressed.lines)
    fixed = call("diff", before, better)
    assert fixed.code == 3
    assert any(line.startswith("+ B-prune-notop") for line in fixed.lines)
    changed = call("diff", before, other)
    assert changed.code == 1
    assert any(line.startswith("~ B-prune-notop") for line in changed.lines)
    assert any(line.startswith("< C-prune-notop") for line in changed.lines)
    assert "| case | before | after |" in call("diff", before, worse, "--markdown").lines


def test_merge_joins_shards(call: Call, write: Write, make_record: MakeRecord) -> None:
    one = write("one", [make_record("B-float-notop"), make_record("A-float-notop")])
    two = write("two", [make_record("C-float-notop")])
    target = one.parent / "deep" / "er" / "joined.jsonl"
    done = call("merge", one, two / records.RESULTS_NAME, "-o", target)
    assert (done.code, done.out) == (0, f"3 cases in {target}\n")
    assert [r.application for r in records.read(target).records] == ["A", "B", "C"]


def test_merge_refuses_mixed_environments_unless_told(
    call: Call, write: Write, make_record: MakeRecord, tmp_path: Path
) -> None:
    one = write("one", [make_record("A-float-notop", environment={"tfmot": "0.8.0"})])
    two = write("two", [make_record("B-float-notop", environment={"tfmot": "0.8.1"})])
    target = tmp_path / "joined.jsonl"
    done = call("merge", one, two, "-o", target)
    assert done.code == 2
    assert "tfmot 0.8.0" in done.err
    assert "tfmot 0.8.1" in done.err
    assert not target.exists()
    assert call("merge", one, two, "-o", target, "--allow-mixed").code == 0
    assert len(records.read(target).records) == 2


def test_broken_lines_are_reported_with_their_number_and_the_rest_is_used(
    call: Call, write: Write, make_record: MakeRecord, tmp_path: Path
) -> None:
    folder = write("run", [make_record("A-float-notop")], more='{"case": "B-flo\n[]\n')
    done = call("merge", folder, "-o", tmp_path / "joined.jsonl")
    assert done.code == 0
    first, second = done.err.splitlines()
    assert first.startswith(f"warning: {folder / records.RESULTS_NAME}:2: not JSON (")
    assert second == (
        f"warning: {folder / records.RESULTS_NAME}:3: not a JSON object; the line is left out"
    )
    assert len(records.read(tmp_path / "joined.jsonl").records) == 1


PUBLISHED = ("Pass1-float-notop", "Pass0-qat-top")


def whole(make_record: MakeRecord, case: str, **more: Any) -> Record:
    """A record as a run with the default options leaves it."""
    key = keys.key(cases.parse(case), STAGES[-1], Options())
    last = {"stage": STAGES[-1], "until": STAGES[-1]}
    return make_record(case, **{**last, "key": key, **more})


def test_publish_keeps_what_the_published_run_had_besides(
    call: Call, write: Write, make_record: MakeRecord, fake_keras: FakeKeras
) -> None:
    fake_keras(Pass=2)

    def holding(case: str, **more: Any) -> Record:
        key = keys.key(cases.parse(case), "save", Options())
        return make_record(case, key=key, run_id="before", **more)

    there = [
        holding("Pass0-float-top", metrics={"file_bytes": 40}),
        holding("Pass1-float-notop"),
        # A cell that reached a limit would otherwise be missing from its column.
        holding("Pass1-float-top", status="oom"),
        holding("Pass0-qat-notop", status="timeout"),
        holding("Pass1-qat-notop", status="blocked"),
        make_record("Pass0-prune-top", key="of other code"),
        make_record("Gone-prune-notop", key="of an application that is gone"),
    ]
    published = write("published", there)
    now = {"run_id": "now", "metrics": {"file_bytes": 10}}
    new = write("new", [whole(make_record, c, **now) for c in PUBLISHED])
    done = call("publish", new, "-o", published)
    assert done.lines[:2] == [
        "4 cases that this run did not have are kept, 1 of them have lapsed (`harness status` "
        "says why)",
        "2 cases that are no more, or say nothing, are dropped",
    ]
    found = {r.case: r for r in records.read(published).records}
    kept = {"Pass0-float-top", "Pass1-float-top", "Pass0-qat-notop", "Pass0-prune-top"}
    assert set(found) == {*kept, "Pass1-float-notop", "Pass0-qat-top"}
    assert found["Pass1-float-top"].status == "oom"
    assert found["Pass0-prune-top"].key == "of other code", "a run alone gives it another"
    assert found["Pass1-float-notop"].run_id == "now"
    assert found["Pass0-float-top"].reused == {"run_id": "before", "date": there[0].started}
    assert "Pass0,net,float,top,pass," in (published / "matrix.csv").read_text()
    assert (published / "index.html").stat().st_size > 10_000


def ran(call: Call, case: str, *options: str) -> Record:
    """Run a case for real, but for what it does, and return its record."""
    done = call("case", case, "--json", "--runtime", "fakes.fake_runtime", *options)
    return Record.from_dict(json.loads(done.out))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--until build", "--until build"),
        ("--samples 1 --batch 3", "--batch 3 --samples 1"),
        ("--until export --seed 5", "--until export --seed 5"),
    ],
)
def test_publish_refuses_what_a_whole_run_would_not_leave_unless_told(
    call: Call, write: Write, fake_keras: FakeKeras, tmp_path: Path, options: str, told: str
) -> None:
    fake_keras(Pass=1)
    good = ran(call, "Pass0-float-notop")
    published = write("published", [good])
    partial = ran(call, good.case, *options.split())
    folder = write("new", [partial])
    done = call("publish", folder, "-o", published)
    assert (done.code, done.out) == (2, "")
    assert "1 of 1 records are not of a whole run with the default options:" in done.err
    assert f"  {good.case}: {told}\nrun these cases again" in done.err
    assert records.read(published).records == (good,)
    assert call("publish", folder, "-o", published, "--partial").code == 0
    assert records.read(published).records == (partial,)


def test_publish_takes_what_a_whole_run_leaves_whatever_came_of_it(
    call: Call, write: Write, make_record: MakeRecord, fake_keras: FakeKeras, tmp_path: Path
) -> None:
    fake_keras(Pass=1, Nested=1, Abort=1)
    (tmp_path / "mynets.py").write_text("def Pass7(): ...\n")
    found = [
        ran(call, "Pass0-float-notop"),
        ran(call, "Nested0-prune-notop"),
        ran(call, "Abort0-prune-notop"),
        ran(call, "Pass7-prune-notop", "--applications", "mynets:Pass7"),
        whole(make_record, "Pass0-prune-notop", status="oom", stage="train"),
        whole(make_record, "Pass0-qat-notop", status="timeout", stage="train"),
        reference.taken_over(whole(make_record, "Pass0-qat-tfmot-notop")),
        # Its module is not to be found here any more.
        make_record(
            "Mine-float-notop",
            until="parity",
            repro="python -m harness case Mine-float-notop --applications gone:Mine",
        ),
    ]
    found = [dataclasses.replace(r, environment=found[0].environment) for r in found]
    done = call("publish", write("new", found), "-o", tmp_path / "published")
    assert done.code == 0, done.err
    assert len(records.read(tmp_path / "published").records) == len(found)


def test_publish_refuses_what_other_code_has_left(
    call: Call, write: Write, make_record: MakeRecord, fake_keras: FakeKeras, tmp_path: Path
) -> None:
    fake_keras(Pass=1)
    (tmp_path / "mynets.py").write_text("def Pass7(): ...\n")
    own = ran(call, "Pass7-float-notop", "--applications", "mynets:Pass7")
    old = [
        whole(make_record, "Pass0-float-notop", key="of other code"),
        dataclasses.replace(own, key="of another source"),
        make_record("Gone-float-notop", until="save"),
    ]
    for record in old:
        done = call("publish", write("new", [record]), "-o", tmp_path / "published")
        assert (done.code, done.out) == (2, "")
        reason = "--until save" if record.until == "save" else "of other code or libraries"
        assert f"  {record.case}: {reason}" in done.err
    assert not (tmp_path / "published").exists()


def test_publish_names_the_first_few_of_many_that_it_refuses(
    call: Call, write: Write, make_record: MakeRecord, fake_keras: FakeKeras, tmp_path: Path
) -> None:
    fake_keras(Pass=5)
    found = [make_record(f"Pass{n}-float-notop", until="build") for n in range(4)]
    folder = write("new", [*found, whole(make_record, "Pass4-float-notop")])
    lines = call("publish", folder, "-o", tmp_path / "published").err.splitlines()
    assert "4 of 5 records" in lines[0]
    assert lines[1:4] == [f"  Pass{n}-float-notop: --until build" for n in range(3)]
    assert lines[4] == "  and 1 more"


@pytest.mark.parametrize("command", ["report", "summary", "merge", "diff", "accept", "relabel"])
def test_what_cannot_be_read_is_a_usage_error(
    call: Call, write: Write, make_record: MakeRecord, tmp_path: Path, command: str
) -> None:
    newer = json.loads(make_record().to_json()) | {"schema": 99}
    files = {
        "no such file": (tmp_path / "nowhere", "cannot read "),
        "newer": (write("newer", [], json.dumps(newer)), "schema 99 is newer than the 1 this"),
        "empty": (write("empty", []), "no record in "),
    }
    for path, message in files.values():
        more = {"report": ["-o", tmp_path / "out"], "merge": ["-o", tmp_path / "out"]}
        arguments = [path, path] if command == "diff" else [path]
        done = call(command, *arguments, *more.get(command, []))
        assert done.code == 2
        assert message in done.err
    assert not (tmp_path / "out").exists()


def unit(make_record: MakeRecord, technique: str = "float") -> Record:
    """A record of the training benchmark."""
    return make_record(f"Pass0-{technique}-bench-2021", technique=technique, variant="bench")


@pytest.mark.parametrize("command", ["report", "summary", "publish", "diff", "accept", "relabel"])
def test_units_of_the_benchmark_are_not_taken_for_cases(
    call: Call, write: Write, make_record: MakeRecord, tmp_path: Path, command: str
) -> None:
    case = make_record("A-float-notop", label="unclassified", status="fail")
    units = write("units", [unit(make_record), unit(make_record, "qat")])
    mixed = write("mixed", [case, unit(make_record)])
    told = {
        units: "are of the benchmark, not of the matrix: `python -m harness bench --only-report",
        mixed: "are of the benchmark (first: Pass0-float-bench-2021), the others of the matrix",
    }
    more = {"report": ["-o", tmp_path / "out"], "publish": ["-o", tmp_path / "out"]}
    for folder, message in told.items():
        before = records.read(folder)
        first = [write("cases", [case])] if command == "diff" else []
        done = call(command, *first, folder, *more.get(command, []))
        assert (done.code, done.out) == (2, "")
        assert message in done.err
        assert records.read(folder) == before
    assert not (tmp_path / "out").exists()


def test_merge_joins_units_of_the_benchmark_but_not_with_cases(
    call: Call, write: Write, make_record: MakeRecord, tmp_path: Path
) -> None:
    one, two = write("one", [unit(make_record)]), write("two", [unit(make_record, "qat")])
    cases_ = write("cases", [make_record("A-float-notop")])
    target = tmp_path / "joined.jsonl"
    refused = call("merge", cases_, one, "-o", target)
    assert refused.code == 2
    assert "are of the benchmark" in refused.err
    assert not target.exists()
    assert call("merge", one, two, "-o", target).code == 0
    assert len(records.read(target).records) == 2


def test_nowhere_to_write_is_a_usage_error(
    call: Call, write: Write, make_record: MakeRecord, tmp_path: Path, fake_keras: FakeKeras
) -> None:
    fake_keras(Pass=1)
    (tmp_path / "file").write_text("")
    folder = write("run", [make_record("Pass0-float-notop")])
    for arguments in (
        ["merge", folder, "-o", tmp_path / "file" / "joined.jsonl"],
        ["report", folder, "-o", tmp_path / "file" / "reports"],
        ["accept", folder, "--expectations", tmp_path / "file" / "expectations.txt"],
    ):
        done = call(*arguments)
        assert (done.code, done.out.count("index.html")) == (2, 0)
        assert done.err.startswith("harness: ")
        assert len(done.err.splitlines()) == 1


def test_report_writes_the_page_the_table_and_the_summary(
    call: Call, write: Write, make_record: MakeRecord, tmp_path: Path
) -> None:
    folder = write("run", [make_record("A-float-notop"), failing(make_record, "A-prune-notop")])
    done = call("report", folder, "-o", tmp_path / "deep" / "out")
    assert (done.code, done.out) == (0, f"{tmp_path / 'deep' / 'out' / 'index.html'}\n")
    written = {p.name: p.read_text() for p in (tmp_path / "deep" / "out").iterdir()}
    assert sorted(written) == ["index.html", "matrix.csv", "summary.md"]
    assert all("nested-model" in text for text in written.values())
    assert "all 2 records have lapsed" in written["index.html"], "no application is called A"
    assert 'href="matrix.csv"' in written["index.html"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"expectation": "expected"}, 0),
        ({"expectation": "new"}, 0),
        ({"expectation": "new", "status": "fail"}, 1),
        ({"expectation": "new", "status": "blocked"}, 1),
        ({"expectation": "newly-passing"}, 3),
        ({"expectation": "changed-label"}, 1),
        ({"expectation": "regression"}, 1),
        ({"expectation": "expected", "status": "error"}, 4),
    ],
)
def test_summary_exits_as_the_run_did(
    call: Call, write: Write, make_record: MakeRecord, changes: dict[str, str], code: int
) -> None:
    usual = make_record("A-float-notop", expectation="expected")
    other = dataclasses.replace(make_record("B-float-notop"), **changes)  # type: ignore[arg-type]
    assert call("summary", write("run", [usual, other])).code == code


def test_the_gravest_comparison_decides(make_record: MakeRecord) -> None:
    def code(*found: str | None, status: str = "pass") -> Exit:
        return conclude.exit_code([make_record(expectation=e, status=status) for e in found])

    assert code() is Exit.AS_EXPECTED
    assert code("expected", "new", None) is Exit.AS_EXPECTED
    assert code("expected", "new", status="fail") is Exit.REGRESSION
    assert code(None, status="oom") is Exit.REGRESSION
    assert code("newly-passing", "new", status="fail") is Exit.REGRESSION
    assert code("expected", "newly-passing") is Exit.NEWLY_PASSING
    assert code("newly-passing", "regression", "new") is Exit.REGRESSION
    assert code("newly-passing", "changed-label") is Exit.REGRESSION
    assert code("regression", status="error") is Exit.HARNESS_FAILED


# --- accept and relabel -----------------------------------------------------------------


def test_accept_writes_the_baseline_and_prints_what_changes(
    call: Call, write: Write, make_record: MakeRecord, tmp_path: Path, fake_keras: FakeKeras
) -> None:
    fake_keras(Pass=1, Nested=1)
    file = tmp_path / "expectations.txt"
    found = [make_record("Pass0-prune-notop"), failing(make_record, "Nested0-prune-notop")]
    folder = write("run", found)
    dry = call("accept", folder, "--expectations", file, "--dry-run")
    assert dry.code == 0
    assert not file.exists()
    done = call("accept", folder, "--expectations", file)
    assert done.lines == dry.lines
    assert done.lines[:2] == ["--- a/expectations.txt", "+++ b/expectations.txt"]
    assert "+covers prune notop" in done.lines
    assert "+Nested0-prune-notop  fail  transform  nested-model  # tfmot#957" in done.lines
    again = call("accept", folder, "--expectations", file)
    assert (again.code, again.out) == (0, "expectations.txt: nothing changes\n")
    write("run", [found[0], make_record("Nested0-prune-notop")])
    better = call("accept", folder, "--expectations", file)
    changed = [line for line in better.lines if line[:2] not in ("--", "++", "@@")]
    assert changed == ["-Nested0-prune-notop  fail  transform  nested-model  # tfmot#957"]
    assert expectations.read(file).lines == {}


def test_accept_reads_the_last_run_by_default(
    call: Call, write: Write, make_record: MakeRecord, tmp_path: Path, fake_keras: FakeKeras
) -> None:
    fake_keras(Pass=1)
    write(".harness", [make_record("Pass0-float-notop")])
    assert call("accept", "--expectations", "new.txt").code == 0
    assert expectations.read(tmp_path / "new.txt").applications == {"Pass0": "net"}


def test_accept_drops_what_no_longer_exists(
    call: Call, write: Write, make_record: MakeRecord, tmp_path: Path, fake_keras: FakeKeras
) -> None:
    fake_keras(Pass=2)
    file = tmp_path / "expectations.txt"
    file.write_text(
        "covers float notop\ncovers gone notop\napplication net: Pass0 Pass1 Old\n"
        "Old-float-notop fail build oom\nPass1-float-notop fail build oom\n"
        "Pass0-gone-notop fail build oom\n"
    )
    folder = write("run", [make_record("Pass0-float-notop")])
    done = call("accept", folder, "--expectations", file)
    assert "-application net: Old Pass0 Pass1" in done.lines
    kept = expectations.read(file)
    assert kept.covers == {("float", "notop")}
    assert kept.applications == {"Pass0": "net", "Pass1": "net"}
    assert list(kept.lines) == ["Pass1-float-notop"]


def test_accept_keeps_an_application_of_ones_own_that_was_run(
    call: Call, write: Write, make_record: MakeRecord, tmp_path: Path, fake_keras: FakeKeras
) -> None:
    fake_keras(Pass=1)
    folder = write("run", [make_record("Mine-float-notop"), make_record("Pass0-float-notop")])
    call("accept", folder, "--expectations", tmp_path / "mine.txt")
    assert set(expectations.read(tmp_path / "mine.txt").applications) == {"Mine", "Pass0"}


def test_accept_refuses_a_run_with_faults_of_the_harness(
    call: Call, write: Write, make_record: MakeRecord, tmp_path: Path, fake_keras: FakeKeras
) -> None:
    fake_keras(Pass=1)
    folder = write("run", [make_record("Pass0-float-notop", status="error")])
    done = call("accept", folder, "--expectations", tmp_path / "new.txt")
    assert done.code == 2
    assert "tell of no outcome (first: Pass0-float-notop): run them again first" in done.err
    assert not (tmp_path / "new.txt").exists()


@pytest.mark.parametrize("command", ["relabel", "merge"])
def test_records_are_not_replaced_while_a_run_adds_to_them(
    call: Call, write: Write, make_record: MakeRecord, command: str
) -> None:
    folder = write("run", [failing(make_record, "A-prune-notop", "unclassified")])
    file = folder / records.RESULTS_NAME
    before = file.read_bytes()
    words = [folder, "-o", file] if command == "merge" else [folder]
    held = results_lock.lock(folder)
    assert held is not None
    done = call(command, *words)
    assert done.code == 2
    assert re.search(r"a run \(process \d+, .*\) is writing to .*run/: wait for it", done.err)
    assert file.read_bytes() == before
    held.close()
    assert call(command, *words).code == 0


@pytest.mark.parametrize("command", ["relabel", "merge"])
def test_no_lock_is_left_where_nothing_is_run(
    call: Call, write: Write, make_record: MakeRecord, command: str
) -> None:
    folder = write("run", [make_record("A-float-notop")])
    more = ["-o", folder / records.RESULTS_NAME] if command == "merge" else []
    assert call(command, folder, *more).code == 0
    assert not (folder / results_lock.NAME).exists()


def test_relabel_applies_the_classifier_of_today(
    call: Call, write: Write, make_record: MakeRecord, tmp_path: Path
) -> None:
    file = tmp_path / "expectations.txt"
    file.write_text("A-prune-notop fail transform nested-model\n")
    old = failing(make_record, "A-prune-notop", "unclassified")
    folder = write("run", [make_record("A-float-notop"), old])
    done = call("relabel", folder, "--expectations", file)
    assert done.lines == [
        "A-prune-notop  unclassified -> nested-model",
        "1 of 2 labels changed",
    ]
    new = records.read(folder).latest()["A-prune-notop"]
    assert (new.label, new.expectation) == ("nested-model", "expected")
    assert new.expected == {"status": "fail", "stage": "transform", "label": "nested-model"}
    assert call("relabel", folder, "--expectations", file).out == "0 of 2 labels changed\n"


@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path, buffered: str) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "harness", "explain"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": buffered},
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--weights", "imagnet"], "unknown weights or folder 'imagnet': did you mean imagenet"),
        (["--weights", "no/such/folder"], "unknown weights or folder 'no/such/folder'"),
        (["--samples", "0"], "'0' is not a whole number of at least 1"),
        (["--samples", "many"], "'many' is not a whole number of at least 1"),
        (["--batch", "0"], "'0' is not a whole number of at least 1"),
        (["--input-size=-3"], "'-3' is not a whole number of at least 1"),
        (["--case-timeout", "0"], "'0' is not a number above 0"),
        (["--case-memory=-1"], "'-1' is not a number above 0"),
        (["--case-memory", "nan"], "'nan' is not a number above 0"),
        (["--seed=-1"], "'-1' is not a whole number of 0 to 4294967295"),
        (["--seed", "4294967296"], "'4294967296' is not a whole number of 0 to 4294967295"),
        (["--case-timeout", "soon"], "'soon' is not a number above 0"),
    ],
)
@pytest.mark.parametrize("command", [["run"], ["case", "MobileNetV2-float-notop"]])
def test_what_every_case_would_fail_for_is_said_before_the_first(
    command: list[str], words: list[str], told: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", *command, *words],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--expectations", "--reference"])
@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("expectation.txt", "did you mean expectations.txt?"),
        ("run/resulst.jsonl", "did you mean run/results.jsonl?"),
        ("no/such/file", "there is no file 'no/such/file'"),
        ("empty", "there is no file 'empty"),
    ],
)
def test_a_file_that_is_named_has_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, word: str, told: str
) -> None:
    (tmp_path / "expectations.txt").touch()
    for name in ("run", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "run" / records.RESULTS_NAME).touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(argparse.ArgumentTypeError, match=re.escape(told)):
        options.MATRIX[option]["type"](word)


def test_a_reference_may_be_the_folder_of_a_run_and_a_default_may_be_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / records.RESULTS_NAME).touch()
    assert options.records_there(str(tmp_path)) == tmp_path / records.RESULTS_NAME
    parser = argparse.ArgumentParser()
    absent = tmp_path / "absent"
    parser.add_argument("--reference", **{**options.MATRIX["--reference"], "default": absent})
    assert parser.parse_args([]).reference == absent


@pytest.mark.parametrize("option", ["--expectations", "--reference"])
@pytest.mark.parametrize("command", [["-m", "harness", "run"], ["-m", "pytest", "harness"]])
def test_a_run_stops_at_a_file_that_is_not_there(command: list[str], option: str) -> None:
    done = subprocess.run(
        [sys.executable, *command, "--results", "nowhere", option, "nowhere/file"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == (4 if "pytest" in command else 2)  # as pytest has it, and as we do
    assert f"argument {option}: there is no file 'nowhere/file'" in done.stderr
    assert "Traceback" not in done.stderr
