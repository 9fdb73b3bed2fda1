"""`harness explain`: what a label means, why it happens, what to do."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from harness.vocabulary import Exit

NAME = "explain"
SUMMARY = "tell what a label means, why it happens and what to do"
MORE = "example:\n  harness explain nested-model"


def add_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("label", nargs="?", help="one label; without one, all in short")


def run(given: argparse.Namespace) -> Exit:
    from harness import records
    from harness.failures import classify
    from harness.paths import REPORTS

    if given.label is None:
        for one in classify.BY_NAME.values():
            print(f"{one.name:<24} {one.cause}")
        return Exit.AS_EXPECTED
    found = classify.explain(given.label)
    print(f"{found.name}: {found.title}")
    told = {"cause": found.cause, "remedy": found.remedy, "handled": found.handled}
    for name, text in told.items():
        if text:
            print(_wrapped(name, text))
    for link in found.links:
        print(f"  link    {link}")
    try:
        reference = list(records.read(REPORTS).records)
    except records.RecordError:
        reference = []
    examples = [r for r in reference if r.label == given.label]
    for line in _taken_now(examples, reference):
        print(f"          {line}")
    for record in examples[:5]:
        print(_wrapped("example", f"{record.case} ({record.stage}) {record.fingerprint or ''}"))
    if len(examples) > 5:
        print(f"          and {len(examples) - 5} more in the reference run")
    return Exit.AS_EXPECTED


def _wrapped(name: str, text: str) -> str:
    """Return a text behind its name, in lines; no word, and so no path, is cut."""
    import textwrap

    return textwrap.fill(
        text,
        88,
        initial_indent=f"  {name:<8}",
        subsequent_indent=" " * 10,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _taken_now(examples: Sequence[Any], reference: Sequence[Any]) -> list[str]:
    """Say how our own columns fare on the applications of the examples."""
    from harness import techniques

    cells = {(r.application, r.variant) for r in examples}
    found = []
    for technique in techniques.registry().values():
        if technique.owner != "optim" or any(r.technique == technique.id for r in examples):
            continue
        there = [
            r
            for r in reference
            if r.technique == technique.id and (r.application, r.variant) in cells
        ]
        if there:
            passed = sum(r.passed for r in there)
            found.append(f"{technique.id} passes {passed} of {len(there)} in the reference run")
    return found
