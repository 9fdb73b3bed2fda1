"""The lines of a history: what a night found changed, and the night itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.changes.compare import CaseChange
from harness.changes.watched import WATCHED
from harness.records import Record
from harness.report import metrics
from harness.vocabulary import Status

#: Numbers beside the watched ones that say how far a latency may be off.
_NOISE = (
    "latency_p10_ms", "latency_p90_ms", "float_latency_ms", "float_latency_p10_ms",
    "float_latency_p90_ms", metrics.NOISY,
)  # fmt: skip

#: All numbers that a line keeps.
KEPT = (*dict.fromkeys(one.metric for one in WATCHED), *_NOISE)

#: Significant digits; no threshold is as fine as what is cut off.
_DIGITS = 5

#: Which way a case went, by the letter in its line.
WORSE, BETTER, OTHER = "-", "+", "="


@dataclass(frozen=True)
class Row:
    """One case from one night on.

    Attributes:
      case: its id.
      outcome: status, stage and label; None: the case is gone.
      numbers: the watched metrics.
      words: what changed, as the page's filter ``changed:`` calls it; none on the first night.
      way: `WORSE`, `BETTER` or `OTHER`.
      until: the last stage that was asked for.
    """

    case: str
    outcome: tuple[str, str, str | None] | None
    numbers: Mapping[str, Any] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    way: str = OTHER
    until: str = ""

    @property
    def passed(self) -> bool:
        return self.outcome is not None and self.outcome[0] == Status.PASS

    def line(self) -> str:
        data: dict[str, Any] = {"case": self.case, "is": self.outcome and list(self.outcome)}
        if self.numbers:
            data["numbers"] = dict(self.numbers)
        if self.words:
            data["changed"] = list(self.words)
        if self.way != OTHER:
            data["way"] = self.way
        if self.outcome and self.until != self.outcome[1]:
            data["until"] = self.until
        return _written(data)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Row:
        outcome = data.get("is")
        status = None if outcome is None else (str(outcome[0]), str(outcome[1]), outcome[2])
        return cls(
            case=str(data["case"]),
            outcome=status,
            numbers=dict(data.get("numbers") or {}),
            words=tuple(data.get("changed") or ()),
            way=str(data.get("way") or OTHER),
            until=str(data.get("until") or (status[1] if status else "")),
        )


@dataclass(frozen=True)
class Night:
    """One night: when, on what, and what changed.

    Attributes:
      night: ISO date, or date and time; nights stand in their order.
      rows: of the cases that changed.
      cases, passed: how many there were, and how many of them passed.
      environment: versions and machine, as far as they differ from the night before.
    """

    night: str
    rows: tuple[Row, ...] = ()
    cases: int = 0
    passed: int = 0
    environment: Mapping[str, Any] = field(default_factory=dict)

    def lines(self) -> str:
        """Return the night as text, the line that closes it last."""
        data: dict[str, Any] = {"night": self.night, "cases": self.cases, "passed": self.passed}
        if self.rows:
            data["rows"] = len(self.rows)
        if self.environment:
            data["environment"] = dict(self.environment)
        return "".join(f"{line}\n" for line in (*(r.line() for r in self.rows), _written(data)))

    def way(self, which: str) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.way == which)


def of_change(change: CaseChange, first: bool) -> Row:
    """Return the line of a case that changed.

    Args:
      change: what changed of it.
      first: whether this is the first night, of which nothing is said to be new.
    """
    gone = change.after is None
    way = WORSE if change.worse else BETTER if change.better else OTHER
    return Row(
        case=change.case,
        outcome=change.after,
        numbers={} if gone else kept(change.record.metrics),
        words=() if first else change.words,
        way=OTHER if first else way,
        until="" if gone else change.record.until,
    )


def kept(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers that a line keeps, shortened."""
    return {name: _short(found[name]) for name in KEPT if found.get(name) is not None}


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    return value


def environment_of(records: Iterable[Record]) -> dict[str, Any]:
    """Return versions and machine of a run: those that most of its records have."""
    counts: dict[str, int] = {}
    for record in records:
        named = {k: v for k, v in record.environment.items() if k not in ("seed", "load")}
        text = json.dumps(named, sort_keys=True)
        counts[text] = counts.get(text, 0) + 1
    most = max(counts, key=lambda text: (counts[text], text), default="{}")
    found: dict[str, Any] = json.loads(most)
    return found


def as_record(row: Row, environment: Mapping[str, Any], night: str = "") -> Record:
    """Return a line as the record that it was made of, as far as it says."""
    status, stage, label = row.outcome or ("", "", None)
    application, technique, variant = names(row.case)
    return Record(
        case=row.case,
        application=application,
        family="",
        technique=technique,
        variant=variant,
        status=status,
        stage=stage,
        until=row.until,
        label=label,
        metrics=row.numbers,
        started=night,
        environment=environment,
    )


def names(case: str) -> tuple[str, str, str]:
    """Return application, technique and variant of an id; of a plug-in's that is gone, a guess."""
    from harness import techniques

    rest, _, variant = case.rpartition("-")
    for technique in sorted(techniques.registry(), key=len, reverse=True):
        application = rest.removesuffix(f"-{technique}")
        if application != rest:
            return application, technique, variant
    application, _, technique = rest.partition("-")
    return application, technique, variant


def _written(data: Mapping[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
