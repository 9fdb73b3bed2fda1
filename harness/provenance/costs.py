"""What cases cost, as their records tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median_high

from harness.matrix.cases import Case

#: What a case is taken to cost in seconds when nothing at all is known of any.
UNKNOWN_SECONDS = 20.0


@dataclass(frozen=True)
class Costs:
    """What cases are expected to take, in seconds of one worker.

    Attributes:
      cases: by case id, without what `rows` says.
      rows: by row (a control's id), what the first case of a row has to make before it can
        begin: the float model, and its file.
    """

    cases: Mapping[str, float]
    rows: Mapping[str, float]

    def usual(self) -> float:
        """Return the median case, which stands for one that nothing is known of."""
        return median_high(self.cases.values()) if self.cases else UNKNOWN_SECONDS

    def of(self, cases: Iterable[Case]) -> float:
        """Return what cases take together, each row made ready once."""
        usual = self.usual()
        together = list(cases)
        rows = {case.control for case in together}
        own = sum(self.cases.get(case.id, usual) for case in together)
        return own + sum(self.rows.get(row, 0.0) for row in rows)
