"""The reference run: when an outcome of an earlier run still holds, and what it tells.

A cell is taken from the reference run where its key matches, but for a sample that is run
and compared with it; whatever does not match is run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from harness import records
from harness.matrix.cases import Case, parse
from harness.provenance.costs import Costs
from harness.provenance.keys import ENDED_EARLY, key_of
from harness.records import Record
from harness.stages import up_to
from harness.stages.workbench import Options
from harness.techniques import registry
from harness.vocabulary import STAGES, Status, UsageError

#: Statuses that tell something of the case itself: a limit that was reached would be reached
#: again. What was blocked, or failed in the harness, tells nothing.
_TELLING = frozenset(
    str(one) for one in (Status.PASS, Status.FAIL, Status.CRASH, Status.OOM, Status.TIMEOUT)
)

#: Stages of a control of whose work the other cases of its row make use.
_FOR_THE_ROW = ("build", "export")


class Reference:
    """The outcomes of an earlier run, by key.

    Args:
      records: its records.
      source: where they are from.
    """

    def __init__(self, records: Iterable[Record] = (), source: Path = Path()) -> None:
        self.source = source
        self._by_case = {record.case: record for record in records}
        self._by_application: dict[str, list[Record]] = {}
        for record in self._by_case.values():
            self._by_application.setdefault(record.application, []).append(record)

    def seconds(self, cases: Iterable[Case]) -> Mapping[str, float]:
        """Return how long each case is expected to take, by case id.

        That is what it took. One that is new takes the longest time of the cases most like it:
        those of its application and variant whose technique has the same owner, else those of
        its variant, else any of its application. Cases of an unknown application are left out.
        """
        expected = {case.id: self._figure(case, lambda r: r.seconds) for case in cases}
        return {case: seconds for case, seconds in expected.items() if seconds}

    def peak(self, case: Case) -> int | None:
        """Return how much memory a case is expected to take, in bytes; None if unknown.

        As for the time, a new case is expected to take the most that any like it did.
        """
        return int(self._figure(case, lambda r: r.peak_rss_bytes)) or None

    def _figure(self, case: Case, of: Callable[[Record], float | None]) -> float:
        figures = (
            max((of(record) or 0.0 for record in alike), default=0.0) for alike in self._alike(case)
        )
        return next(filter(None, figures), 0.0)

    def _alike(self, case: Case) -> Iterator[list[Record]]:
        """Yield the records that tell what to expect of a case, the most telling first."""
        own = self._by_case.get(case.id)
        if own:
            yield [own]
            return
        owners = {technique.id: technique.owner for technique in registry().values()}
        all_of_it = self._by_application.get(case.application.name, [])
        same_variant = [record for record in all_of_it if record.variant == case.variant]
        # What tfmot's own code takes tells little of ours: up to three times the memory.
        owner = case.technique.owner
        yield [record for record in same_variant if owners.get(record.technique) == owner]
        yield same_variant
        yield all_of_it

    def sizes(self) -> Mapping[str, float]:
        """Return the number of parameters by application."""
        found: dict[str, float] = {}
        for record in self._by_case.values():
            size = record.metrics.get("parameters")
            if size and record.variant == "notop":
                found[record.application] = float(size)
        return found

    def of(self, case: Case) -> Record | None:
        """Return the record of a case, whether it holds or not."""
        return self._by_case.get(case.id)

    def costs(self, cases: Iterable[Case]) -> Costs:
        """Return what cases are expected to take, and what has to be made first for their rows.

        A row's float model and its file are made by whichever of its cases is the first: that
        is what the stages of its control say.
        """
        cases = list(cases)
        rows: dict[str, float] = {}
        for control in {case.control for case in cases}:
            record = self._by_case.get(control)
            if record is not None:
                rows[control] = sum(s.seconds for s in record.stages if s.name in _FOR_THE_ROW)
        return Costs(self.seconds(cases), rows)

    def lookup(self, case: Case, until: str, options: Options) -> Record | None:
        """Return the record of ``case`` if it may stand for a new attempt."""
        record = self._by_case.get(case.id)
        if record is None or not holds(record, case, until, options):
            return None
        return replace(taken_over(record), until=until)


def holds(record: Record, case: Case, until: str, options: Options) -> bool:
    """Whether a run up to a stage would come to the same outcome as the record tells of."""
    return record.status in _TELLING and _same(record, case, until, options)


def _same(record: Record, case: Case, until: str, options: Options) -> bool:
    """Whether a run up to a stage would try what the record tells of."""
    early, module = record.status in ENDED_EARLY, case.application.module
    comparable = record.stage in up_to(until, module=module) if early else record.until == until
    return comparable and record.key == key_of(record, case, until, options)


def known(found: Iterable[Record]) -> tuple[list[Record], int]:
    """Return what is known of cases that are not run, marked as taken over; how much has lapsed.

    A case that reached a limit is among them, though it would be tried again in a run. What was
    recorded for an application, a technique or a variant that is gone is left out, and so is what
    says nothing of the case itself.
    """
    kept, lapsed = [], 0
    for record in found:
        try:
            case = parse(record.case)
        except UsageError:
            continue
        if record.status in _TELLING:
            kept.append(taken_over(record))
            lapsed += not _same(record, case, record.until, Options())
    return kept, lapsed


def is_complete(record: Record) -> bool:
    """Whether today's code, run with the default options to the last stage, would try the same.

    Of a case that is not known here only the record itself can tell.
    """
    own, asked = asked_for(record)
    try:
        case = parse(record.case, own)
    except UsageError:
        return record.until == STAGES[-1] and not asked
    return record.key == key_of(record, case, STAGES[-1], Options())


def why_incomplete(record: Record) -> str:
    """Say in a few words why a record is not complete."""
    _, asked = asked_for(record)
    return asked or "of other code or libraries than today's"


def asked_for(record: Record) -> tuple[list[str], str]:
    """Return what a record's command says: an application of one's own, and other options."""
    own: list[str] = []
    asked: list[str] = []
    _, _, given = record.repro.partition(f" case {record.case}")
    words = iter(given.split())
    for word in words:
        if word == "--applications":
            own.append(next(words, ""))
        else:
            asked.append(word)
    if record.until != STAGES[-1] and "--until" not in asked:
        asked += ["--until", record.until]
    return own, " ".join(asked)


def taken_over(record: Record) -> Record:
    """Return the record with a note of the run it is from."""
    source = record.reused or {"run_id": record.run_id, "date": record.started}
    return replace(record, reused=source)


def load(path: Path) -> Reference:
    """Return the reference run; an empty one if there is none to be read."""
    try:
        return Reference(records.read(path).records, path)
    except records.RecordError:
        return Reference()
