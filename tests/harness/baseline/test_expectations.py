"""The committed baseline: reading, writing, and what accepting a run makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from harness.baseline import expectations
from harness.baseline.expectations import PASS, Expectations, accept, read, render
from harness.records import Record
from harness.vocabulary import STAGES, Status, UsageError

MakeRecord = Callable[..., Record]
Outcome = tuple[str, str, str | None] | None

NESTED = ("fail", "transform", "nested-model")

TEXT = """\
covers float notop
covers qat-tfmot notop

application net: NetA NetB
application other: Other

NetA-qat-tfmot-notop    fail     transform  nested-model  # tfmot#957
NetB-prune-notop        pass
Other-qat-tfmot-notop   timeout  train
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "expectations.txt"


def parsed(file: Path, text: str) -> Expectations:
    file.write_text(text, encoding="utf-8")
    return read(file)


# --- reading and writing ----------------------------------------------------------------


def test_a_baseline_reads_as_it_is_written(file: Path) -> None:
    found = parsed(file, TEXT)
    assert found.covers == {("float", "notop"), ("qat-tfmot", "notop")}
    assert found.applications == {"NetA": "net", "NetB": "net", "Other": "other"}
    assert found.lines == {
        "NetA-qat-tfmot-notop": NESTED,
        "NetB-prune-notop": PASS,
        "Other-qat-tfmot-notop": ("timeout", "train", None),
    }
    assert found.notes == {"NetA-qat-tfmot-notop": "tfmot#957"}
    assert found.numbers["NetB-prune-notop"] == 8


def test_a_baseline_written_and_read_again_is_the_same(file: Path) -> None:
    first = parsed(file, TEXT)
    text = render(first)
    again = parsed(file, text)
    assert render(again) == text
    assert (again.covers, again.applications) == (first.covers, first.applications)
    assert (again.lines, again.notes) == (first.lines, first.notes)
    expectations.write(file, again)
    assert file.read_text() == text


def test_a_written_baseline_is_sorted_and_one_case_is_one_line() -> None:
    shuffled = Expectations(
        covers={("prune", "top"), ("float", "top")},
        applications={"Z": "b", "A": "b", "M": "a"},
        lines={"Z-prune-top": NESTED, "A-prune-top": PASS},
        notes={"Z-prune-top": "why"},
    )
    lines = [line for line in render(shuffled).splitlines() if line and line[0] != "#"]
    assert lines == [
        "covers float top",
        "covers prune top",
        "application a: M",
        "application b: A Z",
        "A-prune-top  pass",
        "Z-prune-top  fail  transform  nested-model  # why",
    ]


def test_a_missing_baseline_expects_nothing(file: Path) -> None:
    assert read(file).of("A-float-notop", "A", "float", "notop") is None
    assert render(read(file)).startswith("# What every case")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("covers float", "expected `covers TECHNIQUE VARIANT`"),
        ("covers float notop top", "expected `covers TECHNIQUE VARIANT`"),
        ("application net NetA", "expected `application FAMILY: NAME ...`"),
        ("application net:", "expected `application FAMILY: NAME ...`"),
        ("A-float-top", "A-float-top needs a status: pass, fail, timeout, oom, crash, error"),
        ("A-float-top fial", "A-float-top needs a status; did you mean fail?"),
        ("A-float-top blockt build", "A-float-top needs a status; did you mean blocked?"),
        ("A-float-top fail", "expected `A-float-top fail STAGE LABEL` (build, convert, "),
        ("A-float-top fail oom", "expected `A-float-top fail STAGE LABEL` ("),
        ("A-float-top fail train oom more", "expected `A-float-top fail STAGE LABEL` ("),
        ("B-float-top pass", "B-float-top is already on line 2"),
    ],
)
def test_a_malformed_line_is_refused_with_its_number(file: Path, line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parsed(file, f"# comment\nB-float-top pass\n\n{line}  # a note\n")
    assert str(caught.value).startswith(f"expectations.txt:4: {message}")


def test_a_file_that_cannot_be_read_is_a_usage_error(file: Path) -> None:
    file.write_bytes(b"A-float-top \xff\xfe")
    with pytest.raises(UsageError, match=r"cannot read the expectations .*expectations\.txt: "):
        read(file)
    with pytest.raises(UsageError, match="cannot read the expectations"):
        read(file.parent)


# --- what is expected of a case ---------------------------------------------------------


@pytest.mark.parametrize(
    ("application", "technique", "variant", "expected"),
    [
        ("NetA", "float", "notop", PASS),
        ("NetA", "qat-tfmot", "notop", NESTED),
        ("NetB", "qat-tfmot", "notop", PASS),
        ("NetB", "prune", "notop", PASS),
        ("NetA", "prune", "notop", None),
        ("NetA", "float", "top", None),
        ("New", "float", "notop", None),
        ("Other", "qat-tfmot", "notop", ("timeout", "train", None)),
    ],
)
def test_no_line_means_a_pass_only_where_a_column_covers_the_application(
    file: Path, application: str, technique: str, variant: str, expected: Outcome
) -> None:
    case = f"{application}-{technique}-{variant}"
    assert parsed(file, TEXT).of(case, application, technique, variant) == expected


def test_a_row_is_what_is_pinned_of_an_application_without_its_name() -> None:
    same = {"A1-qat-notop": NESTED, "A1-prune-top": PASS}
    found = Expectations(lines={**same, "A-qat-notop": NESTED, "A-prune-top": PASS})
    assert found.row("A") == found.row("A1") == (("prune-top", PASS), ("qat-notop", NESTED))
    assert found.row("B") == ()


@pytest.mark.parametrize("status", ["oom", "timeout"])
def test_a_row_does_not_tell_of_limits(status: str) -> None:
    found = Expectations(
        lines={"A420-cluster-tfmot-notop": (status, "train", status), "A420-qat-notop": NESTED}
    )
    assert found.row("A420") == (("qat-notop", NESTED),)


def test_what_matches_nothing_any_more_is_stale_and_can_be_dropped(file: Path) -> None:
    found = parsed(file, TEXT)
    cases = [f"{a}-{t}-notop" for a in ("NetA", "NetB") for t in ("float", "prune")]
    gone = found.stale(["NetA", "NetB"], cases)
    assert gone == ["NetA-qat-tfmot-notop", "Other-qat-tfmot-notop", "Other", "qat-tfmot-notop"]
    found.drop(gone)
    assert found.stale(["NetA", "NetB"], cases) == []
    assert found.covers == {("float", "notop")}
    assert list(found.applications) == ["NetA", "NetB"]
    assert list(found.lines) == ["NetB-prune-notop"]
    assert found.notes == {}


# --- accepting --------------------------------------------------------------------------


@pytest.fixture
def run(make_record: MakeRecord) -> Callable[..., dict[str, Record]]:
    """Records of all applications given, by technique; what fails is named."""

    def make(
        applications: str, techniques: str, failing: Iterable[str] = (), **given: object
    ) -> dict[str, Record]:
        found = {}
        for application in applications.split():
            for technique in techniques.split():
                case = f"{application}-{technique}-notop"
                fails = {"status": "fail", "stage": "transform", "label": "nested-model"}
                changes = fails if case in failing else {}
                found[case] = make_record(case, **{**given, **changes})
        return found

    return make


Run = Callable[..., dict[str, Record]]


def meets(baseline: Expectations, records: dict[str, Record]) -> bool:
    """Whether every record is what the baseline expects."""
    return all(
        (PASS if r.passed else r.outcome()) == baseline.of_record(r) for r in records.values()
    )


def test_a_first_run_becomes_a_baseline_that_it_meets(run: Run) -> None:
    found = run("A B", "float prune", failing=["B-prune-notop"])
    baseline = accept(Expectations(), found)
    assert baseline.covers == {("float", "notop"), ("prune", "notop")}
    assert baseline.applications == {"A": "net", "B": "net"}
    assert baseline.lines == {"B-prune-notop": NESTED}
    assert meets(baseline, found)


def test_a_column_counts_as_covered_only_when_every_application_ran_in_it(run: Run) -> None:
    found = run("A B C", "float") | run("A C", "prune", failing=["C-prune-notop"])
    baseline = accept(Expectations(), found)
    assert baseline.covers == {("float", "notop")}
    assert baseline.lines == {"A-prune-notop": PASS, "C-prune-notop": NESTED}
    assert baseline.of("B-prune-notop", "B", "prune", "notop") is None
    assert meets(baseline, found)


def test_pass_lines_go_when_their_column_becomes_covered(run: Run) -> None:
    some = accept(Expectations(), run("A B C", "float") | run("A C", "prune"))
    assert some.lines == {"A-prune-notop": PASS, "C-prune-notop": PASS}
    whole = accept(some, run("A B C", "prune", failing=["B-prune-notop"]))
    assert whole.lines == {"B-prune-notop": NESTED}
    assert whole.covers == {("float", "notop"), ("prune", "notop")}


def test_a_partial_run_changes_only_what_it_ran(run: Run) -> None:
    old = accept(Expectations(), run("A B", "float prune", ["A-prune-notop", "B-prune-notop"]))
    new = accept(old, run("B", "prune"))
    assert new.lines == {"A-prune-notop": NESTED}
    assert (new.covers, new.applications) == (old.covers, old.applications)
    assert old.lines == {"A-prune-notop": NESTED, "B-prune-notop": NESTED}, "the old one is kept"


def test_nothing_is_expected_of_a_case_that_was_never_run(run: Run) -> None:
    old = accept(Expectations(), run("A B", "float prune"))
    new = accept(old, run("C", "float"))
    assert new.of("C-float-notop", "C", "float", "notop") == PASS
    assert new.of("C-prune-notop", "C", "prune", "notop") is None
    assert new.of("A-prune-notop", "A", "prune", "notop") == PASS
    whole = accept(new, run("C", "prune", ["C-prune-notop"]))
    assert whole.applications == {"A": "net", "B": "net", "C": "net"}
    assert whole.lines == {"C-prune-notop": NESTED}
    assert whole.covers == old.covers


def test_a_note_stays_as_long_as_the_outcome_does(run: Run) -> None:
    failing = ["A-prune-notop", "B-prune-notop"]
    old = accept(Expectations(), run("A B", "prune", failing), {"nested-model": "tfmot#957"})
    assert old.notes == dict.fromkeys(failing, "tfmot#957")
    old.notes["A-prune-notop"] = "my own words"
    assert accept(old, run("A B", "prune", failing), {"nested-model": "x#1"}).notes == old.notes
    other = run("A", "prune", failing)
    changed = {k: Record(**{**vars(r), "label": "oom"}) for k, r in other.items()}
    assert accept(old, changed, {"nested-model": "x#1"}).notes == {"B-prune-notop": "tfmot#957"}
    assert accept(old, run("A", "prune")).notes == {"B-prune-notop": "tfmot#957"}


def test_a_pass_that_stopped_early_does_not_undo_a_later_failure(run: Run) -> None:
    late = {"status": "fail", "stage": "save", "label": "save-load"}
    old = accept(Expectations(), run("A B", "prune") | run("A", "prune", **late))
    assert old.lines == {"A-prune-notop": ("fail", "save", "save-load")}
    early = run("A B", "prune", until="transform", stage="transform")
    assert accept(old, early).lines == old.lines
    assert accept(old, run("A B", "prune")).lines == {}


@pytest.mark.parametrize("status", [Status.ERROR, Status.SKIPPED])
def test_a_fault_of_the_harness_cannot_be_accepted(run: Run, status: Status) -> None:
    faulty = run("A B", "float") | run("B", "float", status=str(status))
    with pytest.raises(UsageError, match=r"1 records tell of no outcome \(first: B-float-notop\)"):
        accept(Expectations(), faulty)


@pytest.mark.parametrize("status", [s for s in Status if s not in (Status.ERROR, Status.SKIPPED)])
@pytest.mark.parametrize("stage", STAGES)
def test_every_outcome_can_be_pinned_and_read_again(
    file: Path, run: Run, status: Status, stage: str
) -> None:
    label = None if status is Status.PASS else "some-label"
    found = run("A", "prune") | run("B", "prune", status=str(status), stage=stage, label=label)
    expectations.write(file, accept(Expectations(), found))
    assert meets(read(file), found)


@pytest.mark.parametrize(
    ("url", "short"),
    [
        ("https://github.com/tensorflow/model-optimization/issues/957", "tfmot#957"),
        ("https://github.com/keras-team/tf-keras/pull/12", "tf-keras#12"),
        ("https://example.org/what", "https://example.org/what"),
    ],
)
def test_an_issue_is_noted_in_short(url: str, short: str) -> None:
    assert expectations.short_issue(url) == short
