"""A record: what one attempt at one case leaves behind, and its form as a line of JSON."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.vocabulary import Expectation, Status

#: Raised by one whenever a reader of the old form would misread the new one.
SCHEMA = 1


class RecordError(ValueError):
    """A record file cannot be used; the message says which line and why."""


#: How a record's command names a model of one's own: ``harness case ... --applications WHERE``,
#: or ``harness check WHERE``.
OWN, CHECK = "--applications", "check"


@dataclass(frozen=True)
class StageResult:
    """One stage of one attempt. Seconds are wall clock and CPU (all threads)."""

    name: str
    status: str
    seconds: float = 0.0
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class Failure:
    """What an exception or the death of a process left behind: facts, from which labels follow.

    Attributes:
      type: class of the exception; of a death ``Timeout``, ``OutOfMemory`` or ``Crash``.
      message: of the exception, or how the process ended.
      chain: the exception and its causes, outermost first, as
        ``{"type": ..., "message": ..., "notes": [...]}``.
      frames: the traceback, outermost first, as
        ``{"file": ..., "line": ..., "function": ..., "code": ...}`` with paths relative to the
        project or to site-packages.
      signal: name of the signal that ended the process, e.g. ``SIGSEGV``.
      exit_code: of a process that left by itself.
      output: the end of what the process printed.
      layer: the Keras layer the innermost frame worked on, as ``{"name", "class"}`` with ``op`` or
        ``activation`` where it has one.
    """

    type: str = ""
    message: str = ""
    chain: tuple[Mapping[str, Any], ...] = ()
    frames: tuple[Mapping[str, Any], ...] = ()
    signal: str | None = None
    exit_code: int | None = None
    output: str = ""
    layer: Mapping[str, str] | None = None


@dataclass(frozen=True, repr=False)
class Record:
    """What one attempt at one case leaves behind.

    Attributes:
      case: the case id, ``<application>-<technique>-<variant>``.
      status: a `harness.vocabulary.Status`.
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
      seconds, cpu_seconds: wall clock, and CPU time of all threads, of the whole attempt.
      repro: the command that runs the case again.
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

    def __repr__(self) -> str:
        """Name the case and what became of it; ``dataclasses.asdict`` has all there is."""
        what = "" if self.passed else f" in {self.stage}: {self.label}"
        return f"<Record {self.case}: {self.status}{what}>"

    @property
    def unexpected(self) -> bool:
        """Whether the baseline said something else of this case."""
        return self.expectation not in (None, Expectation.EXPECTED.value)

    @property
    def fails_anew(self) -> bool:
        """Whether it was tried and does not pass, and the baseline said nothing of this case."""
        tried = self.status != Status.SKIPPED
        return tried and not self.passed and self.expectation in (None, Expectation.NEW.value)

    @property
    def constructor(self) -> str:
        """Where the model of one's own comes from, as its command says; empty for ours.

        ``package.module:function``; of a check perhaps a file.
        """
        words = _words(self.repro)
        if CHECK in words[:-1]:
            return words[words.index(CHECK) + 1]
        if OWN in words[:-1]:
            return words[words.index(OWN) + 1]
        return ""

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


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # a quote that nobody closes: no command of ours
        return command.split()


def _build(cls: type, data: Mapping[str, Any]) -> Any:
    names = {f.name for f in dataclasses.fields(cls)}
    return cls(**{k: v for k, v in data.items() if k in names})


def latest(records: Iterable[Record]) -> dict[str, Record]:
    """The last attempt at each case, by case id."""
    found: dict[str, Record] = {}
    for record in records:
        found[record.case] = record
    return found


def iter_metrics(records: Iterable[Record]) -> Iterator[str]:
    """Yield every metric name that occurs, sorted."""
    yield from sorted({name for r in records for name in r.metrics})
