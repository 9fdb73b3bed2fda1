"""The closed vocabularies of the harness: one word for one thing, everywhere.

Code, command line, records and report all take their words from here, so that a
word that is not here is a mistake and can be refused with its nearest neighbours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import Enum


class Status(str, Enum):
    """What became of one attempt at a case, or of one of its stages."""

    PASS = "pass"
    FAIL = "fail"
    TIMEOUT = "timeout"
    OOM = "oom"
    CRASH = "crash"
    ERROR = "error"  # the harness's own fault
    BLOCKED = "blocked"  # an earlier stage or the control failed
    SKIPPED = "skipped"

    def __str__(self) -> str:
        return self.value


class Expectation(str, Enum):
    """How an outcome compares with what the committed baseline says of the case."""

    EXPECTED = "expected"
    REGRESSION = "regression"
    NEWLY_PASSING = "newly-passing"
    CHANGED_LABEL = "changed-label"
    NEW = "new"
    REMOVED = "removed"

    def __str__(self) -> str:
        return self.value


class Exit(int, Enum):
    """Exit codes of the command line."""

    AS_EXPECTED = 0
    REGRESSION = 1
    USAGE = 2
    NEWLY_PASSING = 3
    HARNESS_FAILED = 4
    INTERRUPTED = 130  # as shells have it: 128 and the number of the signal


#: Every stage a case can have, in order. A run goes up to one of them.
STAGES: tuple[str, ...] = (
    *("build", "convert", "transform", "train", "save", "export", "run", "parity"),
)

#: The package whose models have twins in tf_keras: Keras 3.
KERAS_3 = "keras"

#: Stages that only the rows of one Keras package have, and of which.
ONLY_OF: dict[str, str] = {"convert": KERAS_3}

VARIANTS: dict[str, str] = {
    "notop": "include_top=False with input shape (None, None, 3)",
    "top": "include_top=True with the constructor's default input shape",
}

#: What records of the training benchmark have where those of the matrix have the variant.
BENCH = "bench"

#: The control: a column that fails here says nothing about a technique.
CONTROL = "float"


def exit_for(found: Iterable[str | None]) -> Exit:
    """Return the exit code of what was found: the gravest comparison decides."""
    seen = {str(one) for one in found}
    if {Expectation.REGRESSION.value, Expectation.CHANGED_LABEL.value} & seen:
        return Exit.REGRESSION
    if Expectation.NEWLY_PASSING.value in seen:
        return Exit.NEWLY_PASSING
    return Exit.AS_EXPECTED


class UsageError(ValueError):
    """The words of a call are off; the message says which ones would do."""


def nearest(word: str, known: Iterable[str], *, most: int = 3, likeness: float = 0.5) -> list[str]:
    """Return up to ``most`` known words that resemble ``word``, best first."""
    by_folded = {k.casefold(): k for k in known}
    hits = difflib.get_close_matches(word.casefold(), by_folded, n=most, cutoff=likeness)
    return [by_folded[h] for h in hits]


#: By kind of word, the command that shows all of its vocabulary.
LISTINGS: dict[str, str] = {
    "case": f"list --variants {','.join(VARIANTS)}",
    "application": "list --what applications",
    "family": "list --what families",
    "technique": "list --what techniques",
    "variant": "list --what variants",
    "stage": "list --what stages",
    "label": "list --what labels",
}


def unknown(
    kind: str, word: str, known: Iterable[str], *, listing: str | None = None
) -> UsageError:
    """Build the error for a word that is not in its vocabulary.

    Args:
      kind: what the word should have been.
      word: as it was given.
      known: the vocabulary.
      listing: the command that shows all of it, as it follows ``python -m harness``; by
        default that of `LISTINGS`, if there is one.
    """
    known = list(known)
    listing = listing or LISTINGS.get(kind)
    close = nearest(word, known)
    if close:
        hint = "did you mean " + " or ".join(close) + "?"
    elif not known:
        hint = "there is none"
    elif len(known) <= 12:
        hint = "known: " + ", ".join(known)
    elif listing:
        hint = f"`python -m harness {listing}` shows all {len(known)}"
    else:
        few = nearest(word, known, most=5, likeness=0.0)
        hint = f"{len(known)} are known, the nearest of them {', '.join(few)}"
    return UsageError(f"unknown {kind} {word!r}: {hint}")
