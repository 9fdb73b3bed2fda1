"""The lock file: the states of the code that records name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import records
from harness.cli import main
from harness.paths import REPORTS
from harness.provenance import lock
from harness.provenance.lock import State
from harness.records import Record
from harness.runs import conclude
from harness.techniques.components import COMPONENTS

MakeRecord = Callable[..., Record]


def state(id: str, date: str = "2026-01-01") -> State:
    return State(id, date, "abc", {"pruning": id}, {"prune": id})


def write(folder: Path, found: list[Record], *states: State) -> None:
    folder.mkdir(exist_ok=True)
    records.write(folder / records.RESULTS_NAME, found)
    lock.write(folder, {one.id: one for one in states})


def test_a_state_is_one_line_and_lines_are_sorted(tmp_path: Path) -> None:
    states = [state("b"), state("a"), state("c", "2025-01-01")]
    lock.write(tmp_path, {one.id: one for one in states})
    text = (tmp_path / lock.NAME).read_text()
    lines = [json.loads(line.rstrip(",")) for line in text.splitlines()[1:-1]]
    assert [line["id"] for line in lines] == ["c", "a", "b"]
    assert lock.read(tmp_path) == {one.id: one for one in states}
    assert lock.read(tmp_path / records.RESULTS_NAME) == lock.read(tmp_path)
    again = tmp_path / "again"
    again.mkdir()
    lock.write(again, lock.read(tmp_path))
    assert (again / lock.NAME).read_text() == text


@pytest.mark.parametrize("text", ["", "{", '{"states": 1}', '{"states": [{"more": 1}]}'])
def test_a_lock_that_cannot_be_read_explains_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / lock.NAME).write_text(text)
    assert lock.read(tmp_path) == {}


def test_a_run_notes_its_state_and_those_it_may_take_from(tmp_path: Path) -> None:
    run, reference = tmp_path / "run", tmp_path / "reference"
    write(reference, [], state("a"))
    now = lock.note(run, reference)
    assert lock.read(run).keys() == {"a", now}
    assert lock.read(run)[now].components.keys() == COMPONENTS.keys()
    before = (run / lock.NAME).stat().st_mtime_ns
    assert lock.note(run, reference) == now
    assert (run / lock.NAME).stat().st_mtime_ns == before


def test_merged_records_have_the_states_that_they_name(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    one, other, joined = (tmp_path / name for name in ("one", "other", "joined"))
    write(one, [make_record("A-float-notop", code="a")], state("a"), state("unnamed"))
    write(other, [make_record("B-float-notop", code="b")], state("b"))
    assert main.main(["merge", str(one), str(other), "-o", str(joined / "results.jsonl")]) == 0
    assert lock.read(joined).keys() == {"a", "b"}


def test_published_records_have_the_states_that_they_name(
    tmp_path: Path, make_record: MakeRecord, fake_keras: Callable[..., Path]
) -> None:
    fake_keras(A=1)
    run, target = tmp_path / "run", tmp_path / "target"
    write(run, [make_record("A-float-notop", code="new")], state("new"))
    write(target, [make_record("A-float-notop", code="old")], state("old"), state("older"))
    conclude.publish(records.read(run).records, target, [run])
    assert lock.read(target).keys() == {"new"}, "what no record names any more is dropped"


@pytest.mark.parametrize("folder", [REPORTS, REPORTS / "bench"])
def test_the_committed_lock_agrees_with_the_committed_records(folder: Path) -> None:
    states = lock.read(folder)
    named = {one.code for one in records.read(folder).records} - {""}
    assert states.keys() == named
    assert len(named) >= 1
    for one in states.values():
        again = lock.digest_of({"components": one.components, "techniques": one.techniques})
        assert one.id == again[: len(one.id)]


def test_a_lock_file_that_is_cut_off_anywhere_explains_nothing_and_stops_nothing(
    tmp_path: Path,
) -> None:
    state = lock.State("a", "2026-01-01", "rev", {"pruning": "1"}, {"prune": "2"})
    lock.write(tmp_path, {"a": state})
    whole = lock.beside(tmp_path).read_bytes()
    assert lock.read(tmp_path) == {"a": state}
    for length in range(len(whole) - 1):  # the last byte ends the line
        lock.beside(tmp_path).write_bytes(whole[:length])
        assert lock.read(tmp_path) == {}
