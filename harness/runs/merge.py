"""Joining the records of several machines into one run."""

from __future__ import annotations

from collections.abc import Iterable

from harness.environment import IDENTITY
from harness.records import Record
from harness.vocabulary import UsageError


def merge(records: Iterable[Record], *, allow_mixed: bool = False) -> list[Record]:
    """Return one record per case, the newest, sorted by case id.

    Args:
      records: of one or more runs.
      allow_mixed: join records of different environments all the same.

    Raises:
      UsageError: the records were made with different versions; the message names them.
    """
    found: dict[str, Record] = {}
    environments: dict[tuple, str] = {}
    for record in records:
        identity = tuple(record.environment.get(name) for name in IDENTITY)
        environments.setdefault(identity, record.case)
        held = found.get(record.case)
        if held is None or (held.started, held.attempt) <= (record.started, record.attempt):
            found[record.case] = record
    if len(environments) > 1 and not allow_mixed:
        told = "; ".join(
            f"{case}: " + ", ".join(f"{n} {v}" for n, v in zip(IDENTITY, identity, strict=True))
            for identity, case in environments.items()
        )
        raise UsageError(
            f"the records contradict each other on the environment ({told}); "
            "give --allow-mixed to join them all the same"
        )
    return sorted(found.values(), key=lambda r: r.case)
