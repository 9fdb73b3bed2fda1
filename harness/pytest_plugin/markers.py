"""Markers: families, techniques and variants, as words that ``-m`` takes."""

from __future__ import annotations

import re

import pytest

from harness.matrix.cases import Case
from harness.vocabulary import VARIANTS, UsageError, unknown


def of_case(case: Case) -> dict[str, str]:
    """Return the markers of a case, as words that ``-m`` takes."""
    return {
        "family": _marker("family", case.application.family),
        "technique": _marker("technique", case.technique.id),
        "variant": _marker("variant", case.variant),
    }


def _marker(kind: str, name: str) -> str:
    return f"family_{name}" if kind == "family" else name.replace("-", "_")


def declare(config: pytest.Config, found: list[Case]) -> None:
    """Tell pytest what can be a marker: --strict-markers wants each declared.

    Those that no chosen case has are words of the matrix all the same.
    """
    from harness import techniques
    from harness.matrix import discovery

    names = {
        "family": [a.family for a in (*discovery.discover(), *(c.application for c in found))],
        "technique": list(techniques.registry()),
        "variant": list(VARIANTS),
    }
    words = {_marker(kind, name): f"{kind} {name}" for kind in names for name in names[kind]}
    for word in sorted(words.keys() - _declared(config)):
        config.addinivalue_line("markers", f"{word}: matrix cases of {words[word]}")


def _declared(config: pytest.Config) -> set[str]:
    return {re.split(r"[:(]", line)[0].strip() for line in config.getini("markers")}


def refuse_unknown(config: pytest.Config) -> None:
    """Stop at a word of ``-m`` that is no marker: workers would fail over it, each for itself."""
    names = re.sub(r"\(\s*\w+\s*=[^)]*\)", " ", config.option.markexpr)  # without arguments
    for word in re.findall(r"[^\s()]+", names):
        if word not in {"and", "or", "not", *_declared(config)}:
            raise unknown("marker", word, _declared(config))


def refuse_malformed(config: pytest.Config) -> None:
    """Stop at a -k or -m that does not read: workers would fail over it, each for itself."""
    from _pytest.mark.expression import Expression

    for option, text in (("-k", config.option.keyword), ("-m", config.option.markexpr)):
        try:
            Expression.compile(text) if text else None
        except Exception as error:  # which kind depends on the version of pytest
            raise UsageError(f"{option} {text!r} does not read: {error}") from error
        if option == "-k" and "=" in text:  # compiles, and fails at the first item it is put to
            raise UsageError(f"-k {text!r} does not read: only -m takes arguments in parentheses")
