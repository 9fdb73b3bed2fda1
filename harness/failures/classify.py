"""The classifier: from the facts of a failure to its label and what blocks.

A rule matches on the stage, the type of an exception anywhere in the chain, and a pattern in any
message of the chain; the first that matches gives the label. Named groups of its pattern
(``layer``, ``cls``, ``op``, ``activation``) say what blocks.

Labels are computed from facts that the record keeps, so a better table can be applied to
old records: ``harness relabel``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from harness.failures.fingerprint import fingerprint
from harness.failures.label import Label, Rule
from harness.failures.labels import LABELS
from harness.records import Failure, Record
from harness.vocabulary import Status, unknown

BY_NAME: Mapping[str, Label] = {label.name: label for label in LABELS}


@dataclass(frozen=True)
class Classification:
    """What the classifier makes of a failure."""

    label: str
    fingerprint: str
    blocker_kind: str | None = None
    blocker: str | None = None
    blocker_name: str | None = None


def explain(label: str) -> Label:
    """Return what is known of a label.

    Raises:
      UsageError: there is no such label; the message names the nearest.
    """
    if label not in BY_NAME:
        raise unknown("label", label, BY_NAME)
    return BY_NAME[label]


def ordered(labels: Iterable[Label]) -> list[tuple[Label, Rule]]:
    """Return all rules in the order in which they are tried."""
    rules = [(label, rule) for label in labels for rule in label.rules]
    return sorted(rules, key=lambda one: one[1].when)


def classify(
    failure: Failure,
    *,
    status: str,
    stage: str,
    constructor: str = "",
    labels: Iterable[Label] = LABELS,
) -> Classification:
    """Return the label of a failure, what blocks, and its fingerprint.

    Args:
      failure: its facts.
      status: how the attempt ended.
      stage: where.
      constructor: of an application of one's own, as ``package.module:function``.
      labels: those to choose from.
    """
    for label, rule in ordered(labels):
        if rule.own and not _is_own(failure, constructor):
            continue
        groups = _match(rule, failure, status, stage)
        if groups is not None:
            kind, blocker, name = _blocker(rule, groups, failure)
            return Classification(label.name, fingerprint(failure), kind, blocker, name)
    return Classification("unclassified", fingerprint(failure))


#: Statuses of cases that say nothing of a failure of theirs.
NOT_TRIED = (Status.BLOCKED, Status.SKIPPED)


def apply(record: Record) -> Record:
    """Return ``record`` with its label, blocker and fingerprint computed anew."""
    if record.failure is None or record.status in NOT_TRIED:
        return record
    found = classify(
        record.failure,
        status=record.status,
        stage=record.stage,
        constructor=record.constructor,
    )
    return replace(
        record,
        label=found.label,
        fingerprint=found.fingerprint,
        blocker_kind=found.blocker_kind,
        blocker=found.blocker,
        blocker_name=found.blocker_name,
    )


#: Where frames of our own are.
_OURS = re.compile(r"(harness|optim)/")


def _is_own(failure: Failure, constructor: str) -> bool:
    """Whether the innermost frame that is of no library is in a constructor's package."""
    package = constructor.partition(":")[0].partition(".")[0]
    if not package:
        return False
    theirs = re.compile(rf"(^|/){re.escape(package)}(/|\.py$)")
    for frame in reversed(failure.frames):
        if theirs.search(frame["file"]):
            return True
        if _OURS.match(frame["file"]):
            return False
    return False


def _match(rule: Rule, failure: Failure, status: str, stage: str) -> dict[str, str] | None:
    """Return the named groups of a matching rule, or None."""
    if rule.status is not None and rule.status != status:
        return None
    if rule.stage is not None and rule.stage != stage:
        return None
    layer = failure.layer or {}
    if rule.layer is not None and not re.fullmatch(rule.layer, layer.get("class", "")):
        return None
    if rule.op is not None and not re.search(rule.op, layer.get("op", "")):
        return None
    if rule.type is not None:
        types = [one["type"] for one in failure.chain] or [failure.type]
        if not any(re.fullmatch(rule.type, one) for one in types):
            return None
    if rule.message is None:
        return {}
    for message in [one["message"] for one in failure.chain] or [failure.message]:
        found = re.search(rule.message, message, re.DOTALL)
        if found:
            return {k: v for k, v in found.groupdict().items() if v}
    return None


def _blocker(
    rule: Rule, groups: Mapping[str, str], failure: Failure
) -> tuple[str | None, str | None, str | None]:
    """Return kind, class (or op, or activation) and name of what blocks."""
    if rule.blocker is None:
        return None, None, None
    layer = dict(failure.layer or {})
    # The message names the layer for certain; the frames' layer only adds to it.
    if groups.get("layer") and layer.get("name") not in (None, groups["layer"]):
        layer = {}
    name = groups.get("layer") or layer.get("name")
    by_kind = {
        "layer": groups.get("cls") or layer.get("class"),
        "op": groups.get("op") or layer.get("op") or _op_of(name),
        "activation": groups.get("activation") or layer.get("activation"),
    }
    value = by_kind[rule.blocker] or groups.get("cls") or layer.get("class")
    return (rule.blocker, value, name) if value else (None, None, None)


def _op_of(name: str | None) -> str | None:
    """Return the op an op layer is named after: ``tf.math.add_3`` was made by ``math.add``."""
    if not name or not name.startswith("tf."):
        return None
    return re.sub(r"_\d+$", "", name[len("tf.") :])


def upstream_issues() -> dict[str, str]:
    """Return, by label, the first upstream issue that tells of it."""
    from harness.baseline.expectations import short_issue

    return {label: short_issue(e.links[0]) for label, e in BY_NAME.items() if e.links}
