"""What the columns of the page are: whose they are, what they do, and what a variant is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.records import Record
from harness.report import metrics, order
from harness.report.pairs import PAIRS
from harness.vocabulary import VARIANTS

CONTROL, OURS, UPSTREAM, PEERS = GROUPS = ("control", "ours", "upstream", "peers")

#: What a reader is told of each group.
TELLS: Mapping[str, str] = {
    CONTROL: "the float model, untouched",
    OURS: "done by this project",
    UPSTREAM: "tensorflow-model-optimization as shipped, and the recipe people use with it",
    PEERS: "other tools, as they are used today",
}

#: By the owner of a technique. One that has a `group` of its own says so itself.
_BY_OWNER: Mapping[str, str] = {
    "tf_keras": CONTROL, "optim": OURS, "tfmot": UPSTREAM, "recipe": UPSTREAM,
}  # fmt: skip

#: Variants in plain words.
SPOKEN: Mapping[str, str] = {
    "top": "with its classifier, at the size it is deployed at",
    "notop": "without its classifier (no top), for images of any size",
}

#: The one that the page opens with, if there is a record of it: what people deploy.
OPENS = "top"

#: What is compared in the page's summary: what people do, ours, as shipped.
_COMPARED = {"qat": "quantize", "prune": "prune", "cluster": "cluster"}


@dataclass(frozen=True)
class Heading:
    """A technique, for the head of its columns."""

    id: str
    title: str
    owner: str
    group: str


def headings(found: Iterable[str]) -> dict[str, Heading]:
    """Return what is known of techniques, by id, group by group and within them in order."""
    from harness import techniques

    known = techniques.registry()
    made = []
    for name in order.ranked(found, order.TECHNIQUES):
        one = known.get(name.partition(order.STACK)[0])
        owner = one.owner if one else ""
        group = getattr(one, "group", None) or _BY_OWNER.get(owner, PEERS)
        made.append(Heading(name, one.title if one else "", owner, group))
    return {h.id: h for h in sorted(made, key=lambda h: GROUPS.index(h.group))}


def opening(variants: Sequence[str]) -> str:
    """Return the variant that is shown first."""
    return OPENS if OPENS in variants else (variants[0] if variants else "")


def spoken(variant: str, records: Iterable[Record]) -> str:
    """Say what a variant is, with the size of the images that its cases were fed."""
    found = [metrics.number(r.metrics.get("input_size")) for r in records if r.variant == variant]
    told = SPOKEN.get(variant, VARIANTS.get(variant, ""))
    # Where few say it, it is the exception: images that were too large.
    sizes = Counter(int(size) for size in found if size)
    usual, times = sizes.most_common(1)[0] if sizes else (0, 0)
    return f"{told}; here {usual}×{usual} pixels" if 2 * times > len(found) else told


@dataclass(frozen=True)
class Shipped:
    """How far we get with one kind of technique, and how far what is shipped gets."""

    what: str
    variant: str
    ours: str
    ours_passed: int
    ours_cases: int
    shipped: str
    shipped_passed: int
    shipped_cases: int


def shipped(records: Iterable[Record], variants: Sequence[str]) -> list[Shipped]:
    """Compare ours with what is shipped: in the variant that opens, or else where both have run."""
    cells: dict[tuple[str, str], list[Record]] = {}
    for r in records:
        cells.setdefault((r.technique, r.variant), []).append(r)
    first = opening(variants)
    found = []
    for ours, theirs in PAIRS:
        if ours not in _COMPARED or not theirs.endswith("-tfmot"):
            continue
        for variant in sorted(variants, key=lambda v: v != first):
            a, b = cells.get((ours, variant)), cells.get((theirs, variant))
            if a and b:
                passed = [sum(r.passed for r in one) for one in (a, b)]
                found.append(
                    Shipped(
                        _COMPARED[ours], variant, ours, passed[0], len(a), theirs, passed[1], len(b)
                    )
                )
                break
    return found
