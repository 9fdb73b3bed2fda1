"""What a reader wants to know first: the verdict, what changed, what it ran on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from harness.baseline.compare import MARKS, counted
from harness.records import Record
from harness.report import metrics, order
from harness.report.text import code, md, natural
from harness.vocabulary import Expectation, Status

T = TypeVar("T")


class Explained(Protocol):
    """What a report needs to know of a label: see ``harness.failures.label.Label``."""

    @property
    def title(self) -> str: ...
    @property
    def cause(self) -> str: ...
    @property
    def remedy(self) -> str: ...
    @property
    def links(self) -> tuple[str, ...]: ...
    @property
    def handled(self) -> str: ...


Explanations = Mapping[str, Explained]


def known_explanations() -> Explanations:
    """The harness's own table; imported late, so that a report can be fed another."""
    from harness.failures.classify import BY_NAME

    return BY_NAME


#: The character that stands for a status wherever colour may be absent.
GLYPHS: Mapping[str, str] = {
    Status.PASS.value: "✓",
    Status.FAIL.value: "✗",
    Status.TIMEOUT.value: "◷",
    Status.OOM.value: "▲",
    Status.CRASH.value: "↯",
    Status.ERROR.value: "!",
    Status.BLOCKED.value: "⊘",
    Status.SKIPPED.value: "–",
}

#: ... and for a pass that is of little use (``harness.report.weak``).
WEAK_GLYPH = "≈"

#: Kinds of change that a reader should see, the gravest first.
CHANGES: tuple[Expectation, ...] = tuple(MARKS)


@dataclass(frozen=True)
class Verdict:
    """The run in one line. ``kind`` is the gravest expectation, or ``none`` or ``error``."""

    kind: str
    text: str


def verdict(records: Iterable[Record]) -> Verdict:
    """Judge the latest record of each case against the baseline it carries."""
    latest = order.cases(records)
    found = Counter(r.expectation for r in latest)
    errors = sum(r.status == Status.ERROR for r in latest)
    parts = [
        f"{found[kind.value]} {counted(kind, found[kind.value])}"
        for kind in CHANGES
        if found[kind.value]
    ]
    if errors:
        parts.append(f"{errors} {'error' if errors == 1 else 'errors'} of the harness itself")
    if not latest:
        return Verdict("none", "No case was run")
    if not parts:
        unjudged = not any(r.expectation for r in latest)
        return (
            Verdict("none", "Not compared with a baseline")
            if unjudged
            else Verdict(Expectation.EXPECTED.value, "As expected")
        )
    gravest = next((k.value for k in CHANGES if found[k.value]), None)
    if errors and gravest != Expectation.REGRESSION:
        gravest = "error"
    line = ", ".join(parts)
    return Verdict(gravest or "error", line[0].upper() + line[1:])


def changes(records: Iterable[Record]) -> dict[Expectation, list[Record]]:
    """The unexpected cases by kind, the gravest kind first; only kinds that occur."""
    latest = order.cases(records)
    found = {kind: [r for r in latest if r.expectation == kind] for kind in CHANGES}
    return {kind: cases for kind, cases in found.items() if cases}


def expected_outcome(record: Record) -> tuple[str, str, str | None] | None:
    """What the baseline says of the case, as ``compare`` speaks of outcomes."""
    if not record.expected:
        return None
    get = record.expected.get
    return (str(get("status") or ""), str(get("stage") or ""), get("label"))


def flat(environment: Mapping[str, Any]) -> dict[str, str]:
    """An environment as name and text; a nested table's names stand by themselves."""
    found: dict[str, str] = {}
    for name, value in environment.items():
        if isinstance(value, Mapping):
            for inner, text_ in flat(value).items():
                found[inner if inner not in environment else f"{name}.{inner}"] = text_
        elif value is not None and value != "":
            bare, written = _measured(name, value)
            found[bare] = written
    return found


def _measured(name: str, value: Any) -> tuple[str, str]:
    """Take the unit from the name to the value: ``memory_gib 8`` is ``memory 8 GiB``."""
    if name.endswith("_gib"):
        return name.removesuffix("_gib"), f"{value} GiB"
    if name.endswith("_bytes"):
        return name.removesuffix("_bytes"), metrics.written(name, value)
    return name, str(value)


@dataclass(frozen=True)
class Run:
    """Where and when the cases ran."""

    run_ids: tuple[str, ...]
    started: str
    ended: str
    environment: Mapping[str, str]
    environments: int
    reused: int
    reused_dates: tuple[str, ...]
    seconds: float
    here: int  # cells that were run

    @property
    def sampled(self) -> bool:
        """Whether most cells are taken over: then those that were run are the exception."""
        return 0 < 2 * self.here < self.reused


def run(records: Iterable[Record]) -> Run:
    """Describe the run by the cases it ran itself; by all if it ran none."""
    latest = order.cases(records)
    own = [r for r in latest if not r.reused] or latest
    environments = Counter(tuple(sorted(flat(r.environment).items())) for r in own)
    # Among equals the first by text, so that file order decides nothing.
    common = min(environments, key=lambda e: (-environments[e], e), default=())
    dates = sorted(r.started for r in own if r.started)
    reused = [r for r in latest if r.reused]
    return Run(
        run_ids=tuple(sorted({r.run_id for r in own if r.run_id})),
        started=dates[0] if dates else "",
        ended=dates[-1] if dates else "",
        environment=arranged(common),
        environments=len(environments),
        reused=len(reused),
        reused_dates=tuple(sorted({_day((r.reused or {}).get("date")) for r in reused} - {""})),
        seconds=sum(r.seconds for r in own if math.isfinite(r.seconds)),
        here=len(latest) - len(reused),
    )


#: What a reader looks for first in an environment.
_FIRST = (
    "python", "tensorflow", "tf_keras", "tfmot", "tensorflow-model-optimization",
    "tensorflow_model_optimization", "numpy", "ai-edge-litert", "keras_module", "platform",
    "processor", "cores", "memory", "git", "git_revision", "revision", "seed",
)  # fmt: skip


def arranged(facts: Iterable[tuple[str, T]]) -> dict[str, T]:
    """Facts of an environment, by name, in the order that a reader looks for them."""
    found = dict(facts)
    return {name: found[name] for name in order.ranked(found, _FIRST)}


def _day(date: Any) -> str:
    return str(date or "")[:10]


def moment(date: str) -> str:
    """An ISO date for a reader: ``2026-01-02 03:04 UTC``."""
    if len(date) < 16 or date[10:11] not in ("T", " "):
        return date
    zone = " UTC" if date.endswith(("+00:00", "Z")) else ""
    return f"{date[:10]} {date[11:16]}{zone}"


def when(records: Iterable[Record]) -> str:
    """Say when records were made, in a sentence; nothing if they do not say it."""
    dates = sorted(r.started for r in records if r.started)
    if not dates:
        return ""
    first, last = (md(moment(date)) for date in (dates[0], dates[-1]))
    return f"Run {first}." if first == last else f"Run from {first} to {last}."


def facts(environments: Iterable[Mapping[str, Any]]) -> str:
    """Tell in Markdown what the environments say, and in what they differ."""
    found: dict[str, Counter[str]] = {}
    for one in environments:
        for name, value in flat(one).items():
            found.setdefault(name, Counter())[value] += 1
    return " · ".join(f"{md(name)} {_values(v)}" for name, v in arranged(found.items()).items())


def _values(found: Counter[str]) -> str:
    if len(found) == 1:
        return code(next(iter(found)))
    if len(found) > 3:
        return f"{len(found)} different ones"
    return ", ".join(f"{code(v)} in {found[v]} records" for v in sorted(found, key=natural))


def wording(label: str | None, explanations: Explanations) -> tuple[str, str, str]:
    """Title, cause and remedy of a label, empty where there is no explanation."""
    found = explanations.get(label) if label else None
    return (found.title, found.cause, found.remedy) if found else ("", "", "")
