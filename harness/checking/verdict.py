"""The recommendation: which technique to take, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.checking.asked import Asked
from harness.checking.recipes import RECIPES, written
from harness.records import Record
from harness.vocabulary import CONTROL

#: SQNR against float from which on a file is taken for as good as the model: the error is a
#: tenth of the signal.
GOOD_DB = 20.0

#: The product of size and time, as shares of float's, from which on nothing is gained.
GAIN = 0.9

_NO_GAIN = (
    "Stay with float: no technique makes this model smaller or faster by a tenth. A model as small "
    "as this is nothing but what a file has besides its weights."
)


@dataclass(frozen=True)
class Verdict:
    """What to do with the model.

    Attributes:
      technique: the one to take; empty if there is none.
      says: the recommendation, in sentences.
      cost: size and time as shares of the float file's, SQNR in dB, agreement; what is known.
      lines: of Python that do it.
      rough: whether figures are rough, for the inputs were made up.
    """

    technique: str
    says: tuple[str, ...]
    cost: Mapping[str, float]
    lines: tuple[str, ...]
    rough: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def judge(records: Iterable[Record], asked: Asked) -> Verdict:
    """Recommend one of the techniques that were tried.

    Of those that are close enough to the model, the one with the least product of size and
    time; of none that is, the closest, and what to try.

    Args:
      records: one for each technique.
      asked: of the check.
    """
    found = {r.technique: r for r in records}
    control = found.get(CONTROL)
    rough = bool(control and control.metrics.get("rough"))
    passed = [
        r
        for r in found.values()
        if r.passed and r.technique != CONTROL and r.technique in RECIPES
        and "sqnr_float_db" in r.metrics
    ]  # fmt: skip
    good = [r for r in passed if number(r.metrics["sqnr_float_db"]) >= GOOD_DB]
    if not passed:
        return Verdict("", tuple(_nothing(found, control)), {}, (), rough)
    if good and min(map(_size_and_time, good)) >= GAIN:
        return Verdict(CONTROL, (_NO_GAIN,), {}, tuple(written(CONTROL, asked)), rough)
    if good:
        best = min(good, key=lambda r: (_size_and_time(r), r.technique))
        says = [f"Take {best.technique}: {RECIPES[best.technique].what}.", _told(best)]
    else:
        best = max(passed, key=lambda r: number(r.metrics["sqnr_float_db"]))
        says = [
            f"{best.technique} is the closest, and loses much: {_told(best)}",
            _try(found),
        ]
    if rough:
        says.append(
            "Inputs were made up, so ranges and figures are rough: give real ones with --data."
        )
    return Verdict(
        best.technique, tuple(says), cost(best), tuple(written(best.technique, asked)), rough
    )


def number(value: Any) -> float:
    """Read a metric; JSON has no infinity, so it comes as text."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def cost(record: Record) -> dict[str, float]:
    """Return what a technique costs, of what is known."""
    names = {
        "file_ratio": "size",
        "latency_ratio": "time",
        "sqnr_float_db": "sqnr_db",
        "top1_agreement": "agreement",
    }
    known = {names[k]: number(record.metrics[k]) for k in names if k in record.metrics}
    return {name: value for name, value in known.items() if math.isfinite(value)}


def _size_and_time(record: Record) -> float:
    known = cost(record)
    time = 1.0 if record.metrics.get("latency_noisy") else known.get("time", 1.0)
    return known.get("size", 1.0) * time


def _told(record: Record) -> str:
    """Say what a technique costs."""
    known = cost(record)
    parts = []
    if "size" in known:
        parts.append(f"{known['size']:.0%} of the size of the float file")
    if "time" in known:
        doubt = ", measured on a busy machine" if record.metrics.get("latency_noisy") else ""
        parts.append(f"{known['time']:.0%} of its time on one core here{doubt}")
    if "sqnr_db" in known:
        share = 10 ** (-known["sqnr_db"] / 20)
        parts.append(f"outputs {share:.1%} off ({known['sqnr_db']:.1f} dB)")
    else:
        parts.append("the same outputs")
    if "agreement" in known:
        parts.append(f"the same top class on {known['agreement']:.0%} of the inputs")
    return f"{'; '.join(parts)}."


def _nothing(found: Mapping[str, Record], control: Record | None) -> list[str]:
    if control is not None and not control.passed:
        return [
            "Nothing can be said: the model itself cannot be exported and run as a float file. "
            "What it failed of, and what to change, is above."
        ]
    if set(found) == {CONTROL}:
        return ["No technique was tried."]
    return ["No technique works as the model is. What to change in it is said above."]


def _try(found: Mapping[str, Record]) -> str:
    if "qat" in found:
        return "Look at the layers that lose most (-o DIR), and leave them float with skip=."
    return "Try --techniques qat, which trains what rounding takes away, and real inputs."
