"""Progress: one line per finished case, how long the rest will take, and a sign of life."""

from __future__ import annotations

import textwrap
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.execution.admission import Note
from harness.failures.facts import headline
from harness.paths import interpreter
from harness.provenance.costs import UNKNOWN_SECONDS
from harness.records import Record
from harness.vocabulary import Expectation, Status

#: Sign, and terminal colour, by what became of a case.
SIGNS: Mapping[str, tuple[str, str]] = {
    Status.PASS.value: ("ok", "green"),
    Status.BLOCKED.value: ("blocked", "yellow"),
    Status.SKIPPED.value: ("skipped", "yellow"),
}
_FAILED = ("failed", "red")

#: So much work counts as done at the pace of the earlier run, before there is more to go by.
PRIOR_SECONDS = 60.0

#: After so long without a line, one says what is at work: the largest cases take minutes.
QUIET_SECONDS = 60.0


def digest(record: Record) -> dict[str, Any]:
    """Return the little of a record that a progress line and JUnit need."""
    return {
        "case": record.case,
        "status": record.status,
        "stage": record.stage,
        "label": record.label,
        "expectation": record.expectation,
        "seconds": record.seconds,
        "reused": bool(record.reused),
        **_surprise(record),
    }


def _surprise(record: Record) -> dict[str, str]:
    """Return what a person wants to see at once of a failure that was not expected."""
    if record.disagrees:
        return {"message": "; ".join(record.disagrees), "repro": record.repro}
    if record.passed or not (record.unexpected or record.fails_anew):
        return {}
    return {"message": first_line(record), "repro": record.repro}


def what_failed(line: Mapping[str, Any]) -> list[str]:
    """Return the lines below that of a case that failed unexpectedly: why, and what to do."""
    if "repro" not in line:
        return []
    command = str(line["repro"]).replace("python ", f"{interpreter()} ", 1)
    told = [str(line["message"]), command]
    return [f"    {text}" for text in told if text]


def announcement(
    whole: str,
    columns: Mapping[str, int],
    here: str,
    path: str,
    more: Sequence[str] = (),
    width: int = 88,
) -> list[str]:
    """Return what is said before a run: what will be done, how long it takes, where it goes."""
    named = ", ".join(f"{name} {count}" for name, count in columns.items())
    lines = textwrap.wrap(
        named, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )
    return [f"{whole}:", *lines, *(f"  {line}" for line in more), f"  {here}", f"  records: {path}"]


def outcome_text(record: Record) -> str:
    """Return an outcome in words: ``fail at transform (nested-model)``."""
    return _words(record.status, record.stage, record.label)


def expected_text(record: Record) -> str:
    """Return what the baseline says of the case, in words."""
    if record.expected is None:
        return "nothing: the baseline does not know this case"
    e = record.expected
    return _words(e["status"], e["stage"], e["label"])


def _words(status: str, stage: str, label: str | None) -> str:
    if status == Status.PASS:
        return "pass"
    return f"{status} at {stage}" + (f" ({label})" if label else "")


def first_line(record: Record) -> str:
    """Return the first telling line of the failure's message."""
    if record.failure is None:
        return ""
    return f"{record.failure.type}: {headline(record.failure.message)}"


def full_text(record: Record) -> str:
    """Return all that a person wants to see of one record in a terminal."""
    from harness.failures.classify import BY_NAME

    lines = [f"{record.case}: {outcome_text(record)}  [{record.expectation or 'new'}]"]
    lines += [f"  {s.name:<10} {s.status:<8} {s.seconds:8.2f} s" for s in record.stages]
    peak = f"{record.peak_rss_bytes / 2**20:.0f} MiB" if record.peak_rss_bytes else "unknown"
    lines.append(f"  peak memory {peak}, {record.cpu_seconds:.1f} s of CPU")
    for name, value in record.metrics.items():
        shown = f"{value:,}" if isinstance(value, int) else value
        lines.append(f"  {name:<22} {shown}")
    if record.failure is not None:
        told = BY_NAME.get(record.label or "")
        lines += ["", *_indented(f"{record.failure.type}: {record.failure.message}")]
        if record.blocker:
            lines.append(
                f"  blocked by {record.blocker_kind} {record.blocker} ({record.blocker_name})"
            )
        if told:
            lines += [f"  cause   {told.cause}", f"  remedy  {told.remedy}"]
            lines += [f"  handled {told.handled}"] if told.handled else []
        lines += [f"  {f['file']}:{f['line']} in {f['function']}" for f in record.failure.frames]
        if record.failure.output.strip():
            lines += ["", "  what it printed last:", *_indented(record.failure.output)]
    return "\n".join(lines)


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]


def markup(line: Mapping[str, Any]) -> dict[str, bool]:
    """Return pytest's terminal markup for a progress line."""
    if line["expectation"] in (Expectation.EXPECTED.value, Expectation.NEW.value):
        colour = SIGNS.get(line["status"], ("", "yellow"))[1]
        return {colour: True}
    return {"red": True, "bold": True}


def duration(seconds: float) -> str:
    """Return a duration for a reader: ``8 s``, ``3 min``, ``1 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


class Meter:
    """Knows how far a run is and guesses how long it still takes.

    The guess takes each case's time from an earlier run, corrected by how this run has
    compared with that so far, and counts what is reused as free.

    Args:
      planned: case ids.
      seconds: wall seconds by case id, from earlier runs.
      workers: how many run at once.
    """

    def __init__(self, planned: Sequence[str], seconds: Mapping[str, float], workers: int) -> None:
        self.planned = list(planned)
        self._left = dict.fromkeys(planned)
        self._known = seconds
        self._workers = workers
        self._spent = self._guessed = 0.0
        self._began = time.monotonic()
        self.done = 0

    def _guess(self, case: str) -> float:
        return self._known.get(case, UNKNOWN_SECONDS)

    def line(self, one: Mapping[str, Any]) -> str:
        """Note that a case has ended and return its line."""
        self.done += 1
        self._left.pop(one["case"], None)
        if not one["reused"]:
            self._spent += one["seconds"]
            self._guessed += self._guess(one["case"])
        sign = SIGNS.get(one["status"], _FAILED)[0]
        if one["status"] not in SIGNS and one["status"] != Status.FAIL:
            sign = one["status"]
        took = "reused" if one["reused"] else f"{one['seconds']:.1f} s"
        what = f"{one['stage']}: {one['label']}" if one["label"] else ""
        mark = "" if one["expectation"] == Expectation.EXPECTED else f"  <- {one['expectation']}"
        total = len(self.planned)
        head = f"[{self.done:>{len(str(total))}}/{total}] {sign:<8}{one['case']:<42}"
        return f"{head} {took:>9}  {what}{mark}{self._remaining()}".rstrip()

    def _remaining(self) -> str:
        if not self._left:
            return ""
        # The first case of a worker imports TensorFlow, too: it is no measure of the others.
        pace = (self._spent + PRIOR_SECONDS) / (self._guessed + PRIOR_SECONDS)
        seconds = sum(self._guess(case) for case in self._left) * pace / self._workers
        return f"  · about {duration(seconds)} left"


class Heartbeat:
    """Says what is at work when no case has ended for a while; from a thread of its own.

    Args:
      write: prints a line.
      every: seconds of silence before a line, and between two of them.
      note: returns what its worker has noted of a case, if anything.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        every: float = QUIET_SECONDS,
        note: Callable[[str], Note | None] = lambda case: None,
    ) -> None:
        self._write = write
        self._every = every
        self._note = note
        self._lock = threading.Lock()
        self._began: dict[str, float] = {}
        self._stirred = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def started(self, case: str) -> None:
        with self._lock:
            self._began[case] = time.monotonic()

    def ended(self, case: str) -> None:
        with self._lock:
            self._began.pop(case, None)
        self._stirred.set()

    def close(self) -> None:
        """Say nothing any more."""
        self._closed = True
        self._stirred.set()
        self._thread.join()

    def line(self) -> str:
        """Return what is at work, and what waits, the longest first; nothing if no case is."""
        now = time.monotonic()
        with self._lock:
            cases = {case: now - began for case, began in self._began.items()}
        groups: dict[bool, dict[str, float]] = {False: {}, True: {}}
        for case, seconds in cases.items():
            note = self._note(case)
            # A note that is older than the start of the case is of another run.
            spent = min(seconds, time.time() - note.since) if note else seconds
            groups[note.waits if note else False][case] = max(0.0, spent)
        told = []
        for waits, what in ((False, "at work"), (True, "waiting for memory")):
            found = sorted(groups[waits].items(), key=lambda item: -item[1])
            if found:
                told.append(f"{what}: {', '.join(f'{c} for {duration(s)}' for c, s in found)}")
        return f"    {'; '.join(told)}" if told else ""

    def _beat(self) -> None:
        while not self._closed:
            if self._stirred.wait(self._every):
                self._stirred.clear()
            elif line := self.line():
                self._write(line)
