"""An attempt at a case: what it may use, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.vocabulary import Status


@dataclass(frozen=True)
class Limits:
    """What one case may use: wall seconds and bytes of resident memory."""

    seconds: float = 1800.0
    memory_bytes: int = 16 * 2**30


@dataclass
class Outcome:
    """What became of one attempt, as facts; `harness.runs.from_outcome` makes a record of it.

    Attributes:
      status: of the attempt as a whole.
      stages: those that began, in order, as ``{"name", "status", "seconds", "cpu_seconds"}``.
      metrics: what the stages measured, by name.
      failure: fields of `harness.records.Failure`; None: it passed.
      peak_rss_bytes: of the process that ran it; None: unknown.
      seconds, cpu_seconds: wall clock, and CPU time of all threads.
    """

    status: Status
    stages: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    failure: dict[str, Any] | None = None
    peak_rss_bytes: int | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
