"""All units of one invocation: which are left, who works on them, and their records.

Workers are threads; each has a `Runner`, which runs a unit in a process of its own.
A unit waits for the one whose weights it starts from. Weights are kept in files named by
the key of the unit that made them, until the last unit that needs them is done.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from harness import environment, records
from harness.benchmark.definition import techniques, units
from harness.benchmark.definition.settings import Settings
from harness.benchmark.definition.units import Unit
from harness.execution.attempt import Limits, Outcome
from harness.execution.runner import Runner
from harness.matrix.keras_package import distribution_version
from harness.paths import REPORTS, working_dir
from harness.provenance import lock
from harness.provenance.costs import UNKNOWN_SECONDS
from harness.records import Record
from harness.runs.from_outcome import from_outcome
from harness.runs.progress import Heartbeat, Meter, digest
from harness.runs.stamps import new_run_id, now
from harness.vocabulary import Expectation, Status

RUNTIME = "harness.benchmark.execution.runtime"

#: Outcomes that say something of the unit itself. Others are tried again.
_LASTING = (Status.PASS.value, Status.FAIL.value)


class Running(Protocol):
    """What a worker runs units with: `harness.execution.runner.Runner`, or a stand-in."""

    def run(self, request: Mapping[str, Any]) -> Outcome: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Plan:
    """What one invocation is to do.

    Attributes:
      units: all that were asked for, in order.
      settings: how they are trained and measured.
      results: folder of the records.
      workers: how many units run at once.
      fresh: whether finished units are done again.
      runtime: the module that runs a unit.
      limits: what one unit may use.
      weights: folder of the weights that units hand on.
      reference: an earlier run, for how long units take that these results do not have.
    """

    units: Sequence[Unit]
    settings: Settings
    results: Path
    workers: int = 2
    fresh: bool = False
    runtime: str = RUNTIME
    limits: Limits = field(default_factory=Limits)
    weights: Path = field(default_factory=lambda: working_dir() / "bench-weights")
    run_id: str = field(default_factory=new_run_id)
    reference: Path = REPORTS / "bench" / records.RESULTS_NAME

    @property
    def file(self) -> Path:
        return self.results / records.RESULTS_NAME


class Schedule:
    """Does what a plan asks for; safe to be interrupted at any time.

    Args:
      plan: what to do.
      write: prints one line.
      runner: makes what a worker runs units with.
    """

    def __init__(
        self,
        plan: Plan,
        write: Callable[[str], None] = print,
        runner: Callable[[], Running] | None = None,
    ) -> None:
        self.plan = plan
        self._write = write
        self._runner = runner or (lambda: Runner(plan.runtime, plan.limits))
        self._keys = {u.id: units.key(u, plan.settings) for u in _closed(plan.units)}
        known = _known(plan.file)
        self._seconds = {
            **_scaled(_known(plan.reference), plan.settings),
            **{case: r.seconds for case, r in known.items() if r.seconds},
        }
        self._attempts = {case: r.attempt for case, r in known.items()}
        #: The records of finished units, by id.
        self.found = {} if plan.fresh else self._holding(known)
        self.left = self._left()
        self._lock = threading.Condition()
        self._waiting = list(self.left)
        self._stopped = False
        self._code = ""
        self._fault: BaseException | None = None

    def run(self) -> dict[str, Record]:
        """Run what is left and return the records of all units, by id.

        Raises:
          KeyboardInterrupt: interrupted; the records of finished units are written.
          OSError: a record cannot be written.
        """
        if not self.left:
            return self.found
        importlib.import_module(self.plan.runtime).check()
        self._code = lock.note(self.plan.results)
        workers = min(self.plan.workers, len(self.left))
        self._meter = Meter([u.id for u in self.left], self._seconds, workers)
        self._heartbeat = Heartbeat(self._write)
        runners = [self._runner() for _ in range(workers)]
        threads = [threading.Thread(target=self._work, args=(r,), daemon=True) for r in runners]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.2)  # a join without end would not see an interrupt
        finally:
            with self._lock:
                self._stopped = True
                self._lock.notify_all()
            self._heartbeat.close()
            for one in runners:
                one.close()
        if self._fault is not None:
            raise self._fault
        return self.found

    def estimate(self) -> float:
        """Return about how many seconds what is left will take."""
        left = [self._seconds.get(unit.id, UNKNOWN_SECONDS) for unit in self.left]
        return sum(left) / max(1, min(self.plan.workers, len(left)))

    # -- what is left -----------------------------------------------------------------------

    def _holding(self, known: Mapping[str, Record]) -> dict[str, Record]:
        """Return the records that would come out the same if their unit was run again."""
        return {
            case: record
            for case, record in known.items()
            if record.status in _LASTING and record.key == self._keys.get(case)
        }

    def _left(self) -> list[Unit]:
        """Return the units to run: those without a record, and those whose weights they need."""
        left: dict[str, Unit] = {}

        def need(unit: Unit) -> None:
            start = unit.start
            if start is not None:
                record = self.found.get(start.id)
                failed = record is not None and not record.passed
                if not failed and (record is None or not self._weights(start).exists()):
                    need(start)
            left[unit.id] = unit

        for unit in self.plan.units:
            if unit.id not in self.found:
                need(unit)
        for case in left:
            self.found.pop(case, None)
        return list(left.values())

    def _weights(self, unit: Unit) -> Path:
        return (self.plan.weights / f"{self._keys[unit.id]}.weights.h5").absolute()

    # -- a worker ---------------------------------------------------------------------------

    def _work(self, runner: Running) -> None:
        try:
            while (unit := self._next()) is not None:
                self._heartbeat.started(unit.id)
                record = self._record(unit, runner)
                self._heartbeat.ended(unit.id)
                with self._lock:
                    if self._stopped:
                        return  # the unit was cut off, not done
                    self._finish(unit, record)
        except BaseException as error:  # told by the main thread
            with self._lock:
                if not self._stopped:
                    self._fault, self._stopped = error, True
                self._lock.notify_all()

    def _next(self) -> Unit | None:
        """Return a unit whose start is done, waiting for one if need be; None at the end."""
        with self._lock:
            while self._waiting and not self._stopped:
                for unit in self._waiting:
                    if unit.start is None or unit.start.id in self.found:
                        self._waiting.remove(unit)
                        return unit
                self._lock.wait()
            return None

    def _finish(self, unit: Unit, record: Record) -> None:
        records.append(self.plan.file, record)
        self.found[unit.id] = record
        line = {**digest(record), "expectation": Expectation.EXPECTED}
        self._write(self._meter.line(line))
        self._drop_weights(unit)
        self._lock.notify_all()

    def _drop_weights(self, unit: Unit) -> None:
        """Remove the weights that no unit starts from any more."""
        open_ = [u for u in self.left if u.id not in self.found]
        needed = {u.start.id for u in open_ if u.start is not None}
        for one in (unit, unit.start):
            if one is not None and one.id not in needed:
                with contextlib.suppress(OSError):
                    self._weights(one).unlink()

    def _record(self, unit: Unit, runner: Running) -> Record:
        started = now()
        outcome = self._blocked(unit) or runner.run(self.request(unit))
        return from_outcome(
            cast(Any, unit),  # which has what it reads of a case
            outcome,
            until=units.STAGES[-1],
            run_id=self.plan.run_id,
            key=self._keys[unit.id],
            code=self._code,
            started=started,
            attempt=self._attempts.get(unit.id, 0) + 1,
            repro=repro(unit, self.plan.settings),
            environment={
                **environment.capture(),
                "scikit_learn": distribution_version("scikit_learn"),
                "seed": unit.seed,
                **asdict(self.plan.settings),
            },
        )

    def _blocked(self, unit: Unit) -> Outcome | None:
        """Return the outcome of a unit that has no weights to start from."""
        start = None if unit.start is None else self.found.get(unit.start.id)
        if start is None or start.passed:
            return None
        failure = {
            "type": "Blocked",
            "message": f"{start.case}, whose weights it starts from, ended as {start.status} "
            f"({start.label}) at {start.stage}",
        }
        return Outcome(Status.BLOCKED, [{"name": start.stage, "status": "blocked"}], {}, failure)

    def request(self, unit: Unit) -> dict[str, Any]:
        """Return what the runtime is told of a unit."""
        member, start = unit.member, unit.start
        keeps = techniques.starts_another(unit.technique)
        return {
            "case": unit.id,
            "application": asdict(member.application),
            "arguments": dict(member.arguments),
            "size": member.size,
            "pixels": list(member.pixels),
            "rate": member.rate,
            "technique": unit.technique.id,
            "seed": unit.seed,
            "settings": asdict(self.plan.settings),
            "start": str(self._weights(start)) if start is not None else None,
            "keep": str(self._weights(unit)) if keeps else None,
        }


def repro(unit: Unit, settings: Settings) -> str:
    """Return the command that runs one unit, and what it starts from."""
    words = f"python -m harness bench --applications {unit.member.reference or unit.member.name}"
    words += f" --techniques {unit.technique.id} --seed {unit.seed} --repeats 1"
    if settings.epochs != Settings().epochs:
        words += f" --epochs {settings.epochs}"
    return f"{words} --results {os.path.join('.harness', 'bench-one')}"


def _closed(given: Iterable[Unit]) -> list[Unit]:
    """Return the units and all that they start from, each once."""
    found: dict[str, Unit] = {}
    for unit in given:
        one: Unit | None = unit
        while one is not None and one.id not in found:
            found[one.id] = one
            one = one.start
    return list(found.values())


def _scaled(known: Mapping[str, Record], settings: Settings) -> dict[str, float]:
    """Return the seconds that units took, for as many epochs as there are now."""
    found = {}
    for case, record in known.items():
        epochs = record.environment.get("epochs") or settings.epochs
        if record.seconds:
            found[case] = record.seconds * settings.epochs / epochs
    return found


def _known(file: Path) -> dict[str, Record]:
    try:
        return records.read(file).latest()
    except records.NewerSchema:
        raise
    except records.RecordError:
        return {}
