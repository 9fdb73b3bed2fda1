"""What became of each column of the matrix: how many pass, what the others fail at."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from harness.records import Record
from harness.report import metrics, order
from harness.vocabulary import Status


@dataclass(frozen=True)
class Column:
    """The cases of one technique at one variant.

    What no record of the column knows is None: a run that ended earlier, or an older one, does
    not say that nothing was there.

    Attributes:
      cases: the last record of each application, in the order of the matrix.
      missing: applications of the run that have no record here.
    """

    technique: str
    variant: str
    cases: tuple[Record, ...]
    missing: int

    @property
    def passed(self) -> int:
        return sum(r.passed for r in self.cases)

    @property
    def transformed(self) -> int | None:
        """Cases that the technique took; None where the stage was never come to."""
        found = [s.status for r in self.cases for s in r.stages if s.name == "transform"]
        return sum(status == Status.PASS for status in found) if found else None

    @property
    def files(self) -> int | None:
        """Cases that left a file."""
        return len(self.values("file_bytes")) or None

    @property
    def integer(self) -> int | None:
        """Files of which every operation and every multiply-accumulate runs in integers."""
        ops, macs = dict(self.values("int8_ops")), dict(self.values("int8_macs"))
        known = ops.keys() & macs.keys()
        return sum(ops[name] == macs[name] == 1 for name in known) if known else None

    @property
    def cpu_seconds(self) -> float | None:
        """Processor time of all cases together; what did not take any was not measured."""
        taken = [r.cpu_seconds for r in self.cases]
        return math.fsum(s for s in taken if s > 0 and math.isfinite(s)) or None

    def values(self, name: str) -> list[tuple[str, float]]:
        """Applications that have the metric called ``name``, with its value."""
        found = ((r.application, metrics.comparable(name, r.metrics)) for r in self.cases)
        return [(application, value) for application, value in found if value is not None]

    def failures(self) -> list[Failures]:
        """What the cases that do not pass have in common, the most frequent first."""
        found: dict[tuple[str, str, str], list[Record]] = {}
        for r in self.cases:
            if not r.passed:
                found.setdefault((r.stage, r.label or r.status, r.blocker or ""), []).append(r)
        alike = [Failures(*key, tuple(cases)) for key, cases in found.items()]
        return sorted(alike, key=lambda f: (-len(f.cases), f.stage, f.label, f.blocker))


@dataclass(frozen=True)
class Failures:
    """Cases of one column that end in the same stage, for the same reason.

    Attributes:
      label: the class of the failure; the status of what has none.
      blocker: what the failures name, or empty.
    """

    stage: str
    label: str
    blocker: str
    cases: tuple[Record, ...]

    @property
    def families(self) -> dict[str, int]:
        """How many of each family, in the order of the matrix."""
        return dict(Counter(r.family for r in self.cases))


def columns(records: Iterable[Record]) -> list[Column]:
    """The columns of the matrix, in its order."""
    latest = order.cases(records)
    applications = len({r.application for r in latest})
    return [
        Column(technique, variant, tuple(cases), applications - len(cases))
        for (technique, variant), cases in order.columns(latest).items()
    ]
