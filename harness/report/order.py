"""In what order things stand in every report: a pure function of their names.

Records arrive in the order the workers finished, which differs from run to run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.records import Record
from harness.report.text import natural
from harness.vocabulary import CONTROL, STAGES, VARIANTS, Status

#: Techniques a reader looks for side by side. Any other stands behind, by name.
TECHNIQUES: tuple[str, ...] = (
    CONTROL, "qat-tfmot", "qat-annotate", "qat", "ptq-int8", "ptq-dynamic", "ptq-float16",
    "ptq-tflite", "ptq-aeq", "ptq-aeq-dynamic", "ptq-mct",
    "prune-tfmot", "prune", "prune-2x4", "cluster-tfmot", "cluster", "pqat", "cqat", "pcqat",
)  # fmt: skip

#: The better the outcome, the earlier it stands.
STATUSES: tuple[str, ...] = (
    *(str(s) for s in (Status.PASS, Status.FAIL, Status.TIMEOUT, Status.OOM, Status.CRASH)),
    *(str(s) for s in (Status.ERROR, Status.BLOCKED, Status.SKIPPED)),
)


#: Between a technique and the stack that its column is of, where several are shown.
STACK = "@"


def ranked(found: Iterable[str], known: Sequence[str]) -> list[str]:
    """The distinct words of ``found``: those of ``known`` in its order, then by name.

    A column of one stack stands beside that of the others, as these come in ``found``.
    """
    came = {word: i for i, word in enumerate(dict.fromkeys(found))}
    place = {word: i for i, word in enumerate(known)}

    def key(word: str) -> tuple[object, ...]:
        name, _, stack = word.partition(STACK)
        rank = place.get(name)
        named = (len(known), natural(name)) if rank is None else (rank, ())
        return (*named, came[word] if stack else -1)

    return sorted(came, key=key)


def techniques(records: Iterable[Record]) -> list[str]:
    return ranked((r.technique for r in records), TECHNIQUES)


def variants(records: Iterable[Record]) -> list[str]:
    return ranked((r.variant for r in records), tuple(VARIANTS))


def stages(records: Iterable[Record]) -> list[str]:
    return ranked((s.name for r in records for s in r.stages), STAGES)


def columns(records: Sequence[Record]) -> dict[tuple[str, str], list[Record]]:
    """The records by technique and variant, the variants of a technique side by side."""
    found: dict[tuple[str, str], list[Record]] = {
        (technique, variant): []
        for technique in techniques(records)
        for variant in variants(records)
    }
    for record in records:
        found[record.technique, record.variant].append(record)
    return {name: column for name, column in found.items() if column}


def cases(records: Iterable[Record]) -> list[Record]:
    """The latest record of each case, row by row and then column by column."""
    latest = {r.case: r for r in records}.values()
    column = {t: i for i, t in enumerate(techniques(latest))}
    variant = {v: i for i, v in enumerate(variants(latest))}
    return sorted(
        latest,
        key=lambda r: (
            natural(r.family), r.family, natural(r.application), r.application,
            variant[r.variant], column[r.technique], r.case,
        ),
    )  # fmt: skip
