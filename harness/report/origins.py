"""Where a case was measured: its run and its machine. Times of two origins are no comparison."""

from __future__ import annotations

from dataclasses import dataclass

from harness.records import Record

#: What of an environment decides how fast a file is, beside the run itself.
MACHINE: tuple[str, ...] = ("processor", "platform", "cores", "memory_gib", "ai_edge_litert")


@dataclass(frozen=True)
class Origin:
    """One run on one machine.

    Attributes:
      run: its id; of a case that was taken over, that of the run it was made in.
      machine: in words.
    """

    run: str
    machine: str


def of(record: Record) -> Origin:
    """Return where the numbers of a case are from."""
    reused = record.reused or {}
    told = [(name, record.environment.get(name)) for name in MACHINE]
    return Origin(
        str(reused.get("run_id") or record.run_id or ""),
        ", ".join(f"{name} {value}" for name, value in told if value not in (None, "")),
    )
