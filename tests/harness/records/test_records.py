"""Records: whole lines or none, whatever happens to the writers."""

from __future__ import annotations

import dataclasses
import errno
import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import records
from harness.records import Failure, Record, RecordError, StageResult, store

MakeRecord = Callable[..., Record]

WRITERS, LINES, LONG = 4, 12, 300_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / records.RESULTS_NAME


@pytest.fixture
def full(make_record: MakeRecord) -> Record:
    """A record with no field left at its default."""
    return make_record(
        "Net-qat-tfmot-top",
        status="fail",
        stage="transform",
        until="train",
        label="unsupported-op",
        blocker_kind="op",
        blocker="math.reduce_mean",
        blocker_name="tf.math.reduce_mean_3",
        fingerprint="ValueError: _ is not supported @ tf_keras/x.py:call",
        stages=(StageResult("build", "pass", 1.5, 2.25), StageResult("transform", "fail", 0.25)),
        failure=Failure(
            type="ValueError",
            message="no \N{SNOWMAN}\nsecond line\t\u2028 <script> \"quoted\" 'single' \\n",
            chain=({"type": "ValueError", "message": "no", "module": "builtins", "notes": ["n"]},),
            frames=({"file": "tf_keras/x.py", "line": 3, "function": "call", "code": "raise"},),
            signal="SIGABRT",
            exit_code=3,
            output="F0000 check failed\n",
            layer={"name": "mean", "class": "TFOpLambda", "op": "math.reduce_mean"},
        ),
        metrics={"parameters": 2**40, "loss": 0.1, "name": "x", "flag": True, "none": None},
        peak_rss_bytes=123,
        seconds=1.75,
        cpu_seconds=2.25,
        attempt=3,
        repro="python -m harness case Net-qat-tfmot-top",
        key="00ff",
        code="0a0dbe6233d9",
        reused={"run_id": "r0", "date": "2025-01-01T00:00:00+00:00"},
        disagrees=("file_bytes is 2 here, 1 in the record of 2025-01-01",),
        expectation="changed-label",
        expected={"status": "fail", "stage": "train", "label": None},
        environment={"python": "3.11.7", "cores": 2, "tfmot": None},
        schema=records.SCHEMA,
    )


# --- appending --------------------------------------------------------------------------


def append_many(file: Path, writer: int) -> None:
    for line in range(LINES):
        failure = Failure(output=f"{writer}." * (LONG // 2))
        one = Record(f"W{writer}-t-{line}", "W", "w", "t", "v", "fail", "build", "save")
        records.append(file, dataclasses.replace(one, failure=failure))


def test_lines_of_many_writers_never_mix(file: Path) -> None:
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=append_many, args=(file, n)) for n in range(WRITERS)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
        assert one.exitcode == 0
    loaded = records.read(file)
    assert loaded.broken == ()
    assert len(loaded.records) == WRITERS * LINES
    for n in range(WRITERS):
        mine = [r for r in loaded.records if r.case.startswith(f"W{n}-")]
        assert [r.case for r in mine] == [f"W{n}-t-{line}" for line in range(LINES)]
        assert all(r.failure and r.failure.output == f"{n}." * (LONG // 2) for r in mine)


@pytest.mark.parametrize("keep", [1, 40, -1], ids=["one byte", "some", "all but the newline"])
def test_a_writer_killed_in_mid_line_costs_that_line_only(
    file: Path, make_record: MakeRecord, keep: int
) -> None:
    records.append(file, make_record("A-float-notop"))
    torn = (make_record("B-float-notop").to_json() + "\n").encode()
    with file.open("ab") as stream:
        stream.write(torn[:keep])
    records.append(file, make_record("C-float-notop"))
    loaded = records.read(file)
    if keep == -1:  # nothing but the end of the line was lost
        assert [r.application for r in loaded.records] == ["A", "B", "C"]
        assert loaded.broken == ()
    else:
        assert [r.application for r in loaded.records] == ["A", "C"]
        (broken,) = loaded.broken
        assert (broken.path, broken.line) == (file, 2)
        assert str(broken).startswith(f"{file}:2: not JSON (")
        assert str(broken).endswith("; the line is left out")


def test_a_line_torn_within_a_character_is_reported_not_raised(file: Path, full: Record) -> None:
    line = full.to_json().encode()
    file.write_bytes(line[: line.index("\N{SNOWMAN}".encode()) + 1] + b"\n" + line + b"\n")
    loaded = records.read(file)
    assert loaded.records == (full,)
    assert [b.line for b in loaded.broken] == [1]


def short_write(written: list[int]) -> Callable[[int, bytes], int]:
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        written.append(write(descriptor, data[: len(data) // 2]))
        return written[-1]

    return half


def test_a_full_disk_leaves_a_readable_file(
    file: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.append(file, make_record("A-float-notop"))
    before = file.read_bytes()
    written: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(store.os, "write", short_write(written))
        with pytest.raises(OSError, match=r"only \d+ of \d+ bytes could be written"):
            records.append(file, make_record("B-float-notop"))
    assert written[0] > 100
    assert file.read_bytes() == before
    records.append(file, make_record("C-float-notop"))
    assert list(records.read(file).latest()) == ["A-float-notop", "C-float-notop"]


def test_a_disk_with_no_room_at_all_leaves_the_file_as_it_was(
    file: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.append(file, make_record("A-float-notop"))
    before = file.read_bytes()

    def no_room(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(store.os, "write", no_room)
        with pytest.raises(OSError, match="No space left"):
            records.append(file, make_record("B-float-notop"))
    assert file.read_bytes() == before


def test_a_folder_that_cannot_be_written_raises(tmp_path: Path, make_record: MakeRecord) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory"):
        records.append(tmp_path / "file" / records.RESULTS_NAME, make_record())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_raises(tmp_path: Path, make_record: MakeRecord) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        records.append(tmp_path / records.RESULTS_NAME, make_record())
    tmp_path.chmod(0o700)


# --- one record -------------------------------------------------------------------------


def test_every_field_survives_the_round_trip(file: Path, full: Record) -> None:
    for one in dataclasses.fields(Record):
        if one.default is not dataclasses.MISSING and one.name != "schema":
            assert getattr(full, one.name) != one.default, f"{one.name} says nothing"
    for one in dataclasses.fields(Failure):
        assert getattr(full.failure, one.name) != one.default
    records.append(file, full)
    (back,) = records.read(file).records
    assert back == full
    assert type(back.stages[0]) is StageResult
    assert back.failure is not None
    assert type(back.failure.chain) is type(back.failure.frames) is tuple
    assert file.read_text().count("\n") == 1


def test_text_that_is_no_unicode_is_still_recorded(file: Path, make_record: MakeRecord) -> None:
    name = os.fsdecode(b"m\xfcller.h5")  # what a file name in another encoding comes as
    records.append(file, make_record(failure=Failure("OSError", f"no file {name}")))
    (back,) = records.read(file).records
    assert back.failure is not None
    assert back.failure.message == "no file m?ller.h5"


def test_fields_a_later_version_added_are_dropped(full: Record) -> None:
    data = json.loads(full.to_json())
    data["colour"] = "red"
    data["stages"][0]["colour"] = "red"
    data["failure"]["colour"] = "red"
    assert Record.from_dict(data) == full


def test_a_record_says_whether_it_passed_and_whether_that_was_expected(
    make_record: MakeRecord,
) -> None:
    assert make_record().passed
    assert not make_record(status="blocked").passed
    for expectation, unexpected in [(None, False), ("expected", False), ("new", True)]:
        assert make_record(expectation=expectation).unexpected is unexpected
    assert make_record(status="oom", label="oom").outcome() == ("oom", "save", "oom")


# --- reading ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON ("),
        ("[]", "not a JSON object"),
        ("3", "not a JSON object"),
        ("{}", "no schema version"),
        ('{"schema": "1"}', "no schema version"),
        ('{"schema": 1}', "not a record: "),
        ('{"schema": 1, "case": "x", "stages": [1]}', "not a record: "),
        ('{"schema": 1, "case": "x", "stages": 7}', "not a record: "),
        ('{"schema": 1, "case": "x", "failure": "x"}', "not a record: "),
        ('{"schema": 1, "case": "x", "failure": {"chain": null}}', "not a record: "),
        ("\0\0\0", "not JSON ("),
    ],
)
def test_a_line_that_is_no_record_is_named_and_the_rest_is_used(
    file: Path, full: Record, line: str, reason: str
) -> None:
    file.write_text(f"{full.to_json()}\n\n{line}\n{full.to_json()}\n")
    loaded = records.read(file)
    assert loaded.records == (full, full)
    (broken,) = loaded.broken
    assert broken.line == 3
    assert broken.reason.startswith(reason)


def test_records_of_a_newer_schema_are_refused_with_the_version(file: Path, full: Record) -> None:
    newer = json.loads(full.to_json()) | {"schema": records.SCHEMA + 1}
    file.write_text(f"{full.to_json()}\n{json.dumps(newer)}\n")
    with pytest.raises(records.NewerSchema) as caught:
        records.read(file)
    assert str(caught.value).startswith(f"{file}:2: schema {records.SCHEMA + 1} is newer than the ")


@pytest.mark.parametrize("name", ["nothing.jsonl", "folder"])
def test_a_file_that_is_not_there_is_an_error_with_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(RecordError, match=rf"cannot read .*{name}.*: No such file"):
        records.read(tmp_path / name)


def test_a_folder_stands_for_the_results_in_it(file: Path, full: Record) -> None:
    records.append(file, full)
    assert records.read(file.parent) == records.read(file)


def test_several_files_read_as_one_and_the_last_attempt_counts(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    for name, attempt in (("a", 1), ("b", 2)):
        records.append(tmp_path / name, make_record("A-float-top", attempt=attempt))
        records.append(tmp_path / name, make_record(f"{name}-float-top"))
    with (tmp_path / "a").open("a") as stream:
        stream.write("broken\n")
    loaded = records.read_all([tmp_path / "a", tmp_path / "b"])
    assert len(loaded.records) == 4
    assert [(b.path.name, b.line) for b in loaded.broken] == [("a", 3)]
    latest = loaded.latest()
    assert list(latest) == ["A-float-top", "a-float-top", "b-float-top"]
    assert latest["A-float-top"].attempt == 2


def test_metric_names_are_those_of_all_records(make_record: MakeRecord) -> None:
    two = [make_record(metrics={"loss": 1, "b": 2}), make_record(metrics={"a": 1, "loss": 3})]
    assert list(records.iter_metrics(two)) == ["a", "b", "loss"]


# --- replacing --------------------------------------------------------------------------


def test_a_file_is_replaced_as_a_whole_or_not_at_all(
    file: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.write(file, [make_record("A-float-top")])

    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store.os, "replace", fail)
        with pytest.raises(OSError, match="No space"):
            records.write(file, [make_record("B-float-top")])
    assert [r.application for r in records.read(file).records] == ["A"]
    assert [p.name for p in file.parent.iterdir()] == [file.name]
    records.write(file, [make_record("B-float-top"), make_record("C-float-top")])
    assert [r.application for r in records.read(file).records] == ["B", "C"]
