"""Records: one JSON line per (case, attempt), the only truth of a run.

Every output (page, CSV, Markdown, terminal summary, diff) is a pure function of
records. Lines are appended in one ``write`` under a lock, so several workers can
share a file and an interrupt can at worst lose the line being written.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.vocabulary import Expectation, Status

#: Raised by one whenever a reader of the old form would misread the new one.
SCHEMA = 1

RESULTS_NAME = "results.jsonl"


class RecordError(ValueError):
    """A record file cannot be used; the message says which line and why."""


@dataclass(frozen=True)
class StageResult:
    """One stage of one attempt. Seconds are wall clock and CPU (all threads)."""

    name: str
    status: str
    seconds: float = 0.0
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class Failure:
    """What an exception or a death left behind, as facts; labels are derived from it.

    ``chain`` lists the exception and its causes, outermost first, as
    ``{"type": ..., "message": ..., "notes": [...]}``. ``frames`` lists the traceback,
    outermost first, as ``{"file": ..., "line": ..., "function": ..., "code": ...}`` with
    paths relative to the project or to site-packages. ``output`` is the end of
    what the process printed; ``layer`` is the Keras layer the innermost frame worked on,
    as ``{"name", "class"}`` with ``op`` or ``activation`` where it has one.
    """

    type: str = ""
    message: str = ""
    chain: tuple[Mapping[str, Any], ...] = ()
    frames: tuple[Mapping[str, Any], ...] = ()
    signal: str | None = None
    exit_code: int | None = None
    output: str = ""
    layer: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Record:
    """What one attempt at one case leaves behind.

    Attributes:
      case: the case id, ``<application>-<technique>-<variant>``.
      stage: the stage reached: where it failed, or the last one of a pass.
      until: the last stage that was asked for.
      label: the class of a failure, given by the classifier; None for a pass.
      blocker_kind: ``layer``, ``op`` or ``activation`` when the failure names one.
      blocker: the class (or op, or activation) that blocks, e.g. ``Rescaling``.
      blocker_name: its name within the model, e.g. ``rescaling``.
      fingerprint: the message without names and numbers, and the innermost frame
        of the library at fault; equal fingerprints are the same defect.
      metrics: parameters, layers, bytes, differences, ...; flat, JSON scalars.
      peak_rss_bytes: of the process that ran the case.
      key: digest of everything the outcome depends on (see ``harness.provenance.keys``).
      code: the state of the code it was run under, in the lock file beside the records.
      reused: ``{"run_id", "date"}`` of the run the outcome was taken from, or None.
      expectation: the comparison with the baseline; None if there was none.
      expected: the baseline's ``{"status", "stage", "label"}`` for this case.
      disagrees: where a case that was run again is not what its record of the same key says,
        a sentence each with both figures; such a case is a regression.
      started: UTC, ISO 8601.
    """

    case: str
    application: str
    family: str
    technique: str
    variant: str
    status: str
    stage: str
    until: str
    run_id: str = ""
    label: str | None = None
    blocker_kind: str | None = None
    blocker: str | None = None
    blocker_name: str | None = None
    fingerprint: str | None = None
    remedy: str | None = None
    stages: tuple[StageResult, ...] = ()
    failure: Failure | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    peak_rss_bytes: int | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    attempt: int = 1
    repro: str = ""
    key: str = ""
    code: str = ""
    reused: Mapping[str, Any] | None = None
    expectation: str | None = None
    expected: Mapping[str, Any] | None = None
    disagrees: tuple[str, ...] = ()
    started: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def passed(self) -> bool:
        return self.status == Status.PASS

    @property
    def unexpected(self) -> bool:
        """Whether the baseline said something else of this case."""
        return self.expectation not in (None, Expectation.EXPECTED.value)

    @property
    def fails_anew(self) -> bool:
        """Whether it does not pass, and the baseline said nothing of this case."""
        return not self.passed and self.expectation in (None, Expectation.NEW.value)

    def outcome(self) -> tuple[str, str, str | None]:
        """What a baseline pins: status, stage and label."""
        return (self.status, self.stage, self.label)

    def to_json(self) -> str:
        """Return the record as one line of JSON, without the newline."""
        data = dataclasses.asdict(self)
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=True)
        # Half a surrogate pair, as in a file name that is no UTF-8, cannot be written.
        return text.encode("utf-8", "replace").decode("utf-8")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Record:
        """Build a record from parsed JSON; unknown keys of the same schema are dropped."""
        schema = data.get("schema")
        if not isinstance(schema, int):
            raise RecordError("no schema version")
        if schema > SCHEMA:
            raise RecordError(
                f"schema {schema} is newer than the {SCHEMA} this version reads; "
                "use the version of tfmot-matrix that wrote it, or a newer one"
            )
        names = {f.name for f in dataclasses.fields(cls)}
        values = {k: v for k, v in data.items() if k in names}
        try:
            values["stages"] = tuple(_build(StageResult, s) for s in values.get("stages") or ())
            if values.get("failure") is not None:
                failure = _build(Failure, values["failure"])
                values["failure"] = dataclasses.replace(
                    failure, chain=tuple(failure.chain), frames=tuple(failure.frames)
                )
            values["disagrees"] = tuple(values.get("disagrees") or ())
            return cls(**values)
        except (TypeError, AttributeError) as error:
            raise RecordError(f"not a record: {error}") from error


def _build(cls: type, data: Mapping[str, Any]) -> Any:
    names = {f.name for f in dataclasses.fields(cls)}
    return cls(**{k: v for k, v in data.items() if k in names})


def append(path: Path, record: Record) -> None:
    """Append ``record`` to ``path`` as one line, whole or not at all.

    Raises:
      OSError: the file cannot be written, e.g. because the disk is full. What is in
        the file stays readable: a torn last line is cut off again.
    """
    line = (record.to_json() + "\n").encode("utf-8")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        with _locked(descriptor):
            end = os.lseek(descriptor, 0, os.SEEK_END)
            if end and os.pread(descriptor, 1, end - 1) != b"\n":
                line = b"\n" + line  # a writer was killed mid-line: keep its damage to one line
            written = os.write(descriptor, line)
            if written != len(line):
                os.ftruncate(descriptor, end)
                raise OSError(f"{path}: only {written} of {len(line)} bytes could be written")
    finally:
        os.close(descriptor)


class _locked:
    """An advisory lock on an open file, where the platform has one."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows: O_APPEND alone
            return
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        return None  # closing the file releases the lock


@dataclass(frozen=True)
class Broken:
    """A line that is no record: where it is and what is wrong with it."""

    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}; the line is left out"


@dataclass(frozen=True)
class Loaded:
    """The records of one or more files, and the lines that could not be used."""

    records: tuple[Record, ...]
    broken: tuple[Broken, ...] = ()

    def latest(self) -> dict[str, Record]:
        """The last attempt at each case, by case id, in file order."""
        return latest(self.records)


def read(path: Path) -> Loaded:
    """Read one record file.

    Args:
      path: a ``.jsonl`` file, or a directory that holds ``results.jsonl``.

    Raises:
      RecordError: the file does not exist, cannot be read, or holds a newer schema.
    """
    if path.is_dir():
        path = path / RESULTS_NAME
    try:
        text = path.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror or error}") from error
    records: list[Record] = []
    broken: list[Broken] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
            if not isinstance(data, dict):
                raise RecordError("not a JSON object")
            if isinstance(data.get("schema"), int) and data["schema"] > SCHEMA:
                # Dropping lines of a newer form would look like missing cases.
                try:
                    Record.from_dict(data)
                except RecordError as error:
                    raise NewerSchema(f"{path}:{number}: {error}") from None
            records.append(Record.from_dict(data))
        except NewerSchema:
            raise
        except json.JSONDecodeError as error:
            broken.append(Broken(path, number, f"not JSON ({error.msg})"))
        except RecordError as error:
            broken.append(Broken(path, number, str(error)))
    return Loaded(tuple(records), tuple(broken))


class NewerSchema(RecordError):
    """The file was written by a newer version: refused as a whole."""


def read_all(paths: Iterable[Path]) -> Loaded:
    """Read several record files, in order, as if they were one."""
    loaded = [read(p) for p in paths]
    return Loaded(
        tuple(r for one in loaded for r in one.records),
        tuple(b for one in loaded for b in one.broken),
    )


def latest(records: Iterable[Record]) -> dict[str, Record]:
    """The last attempt at each case, by case id."""
    found: dict[str, Record] = {}
    for record in records:
        found[record.case] = record
    return found


def write(path: Path, records: Iterable[Record]) -> None:
    """Write ``records`` to ``path``, replacing it in one step."""
    replace_text(path, "".join(r.to_json() + "\n" for r in records))


def replace_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` so that a reader sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def iter_metrics(records: Iterable[Record]) -> Iterator[str]:
    """Yield every metric name that occurs, sorted."""
    yield from sorted({name for r in records for name in r.metrics})
