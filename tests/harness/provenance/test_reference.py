"""The reference run: which outcomes are taken from it, and what it tells of others."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from harness import records, techniques
from harness.execution.attempt import Outcome
from harness.matrix.application import Application
from harness.matrix.cases import Case
from harness.provenance.keys import key
from harness.provenance.reference import Reference
from harness.records import Record
from harness.runs.session import Session
from harness.runs.settings import Settings
from harness.stages.workbench import Options
from harness.techniques.builtin import Float, Pqat, PruneTfmot, QatAnnotate
from harness.vocabulary import Status

MakeRecord = Callable[..., Record]

NET = Application("Net", "net", "fakekeras.applications", "Net", "source")


def case(technique: Any = None, variant: str = "notop", application: Application = NET) -> Case:
    return Case(application, technique or PruneTfmot(), variant)


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
def test_any_column_is_taken_where_its_key_holds(technique: Any) -> None:
    one = case(technique)
    wanted = key(one, "save", Options())
    record = Record(one.id, "Net", "net", technique.id, "notop", "pass", "save", "save", key=wanted)
    assert Reference([record]).lookup(one, "save", Options()) is not None
    other = dataclasses.replace(record, key="of other code")
    assert Reference([other]).lookup(one, "save", Options()) is None


@pytest.mark.parametrize("status", Status)
def test_only_what_says_something_of_the_case_itself_stands_for_a_new_attempt(
    make_record: MakeRecord, status: Status
) -> None:
    taken = look(known(make_record, status=str(status))) is not None
    lasting = (Status.PASS, Status.FAIL, Status.CRASH, Status.TIMEOUT, Status.OOM)
    assert taken is (status in lasting)


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
def worker(tmp_path: Path, fake_keras: Callable[..., Path]) -> Callable[..., Session]:
    fake_keras(Pass=1)

    def make(sample: Collection[str] = (), **given: Any) -> Session:
        settings = Settings(
            results=tmp_path,
            reference=tmp_path / "reference.jsonl",
            expectations=tmp_path / "expectations.txt",
            run_id="now",
            **given,
        )

        def run_case(request: Any) -> Outcome:
            stages = [{"name": "build", "status": "pass", "seconds": 0.5}]
            return Outcome(Status.PASS, stages, seconds=0.75)

        return Session(settings, run_case, sample)

    return make


def test_a_session_takes_over_what_holds_and_runs_the_rest(
    tmp_path: Path, worker: Callable[..., Session]
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
    assert again.run(case(Float())).reused == {"run_id": "now", "date": control.started}
    assert again.run(case(variant="top")).reused is None
    second = again.run(case())
    assert (second.reused, second.attempt) == (None, 2), "what was taken over was asked for again"
    assert worker(fresh=True).run(case(QatAnnotate())).reused is None


def test_fresh_takes_nothing(tmp_path: Path, worker: Callable[..., Session]) -> None:
    records.write(tmp_path / "reference.jsonl", [worker().run(case())])
    (tmp_path / records.RESULTS_NAME).unlink()
    assert worker(fresh=True).run(case()).reused is None
    (tmp_path / records.RESULTS_NAME).unlink()
    assert worker().run(case()).reused is not None


def test_a_reference_that_cannot_be_read_is_none(
    tmp_path: Path, worker: Callable[..., Session], make_record: MakeRecord
) -> None:
    newer = json.loads(make_record().to_json()) | {"schema": records.SCHEMA + 1}
    for content in ("broken\n", json.dumps(newer)):
        (tmp_path / "reference.jsonl").write_text(content)
        assert worker().run(case()).reused is None


def test_a_cell_of_the_sample_is_run_and_compared_with_its_record(
    tmp_path: Path, worker: Callable[..., Session]
) -> None:
    first = worker().run(case())
    strange = dataclasses.replace(first, metrics={"sqnr_float_db": 20.0})
    records.write(tmp_path / "reference.jsonl", [strange])
    (tmp_path / records.RESULTS_NAME).unlink()
    one = worker(sample=[case().id]).run(case())
    assert one.reused is None
    assert one.expectation == "regression"
    assert [text.partition(" in ")[0] for text in one.disagrees] == [
        "sqnr_float_db is not there here, 20"
    ]
