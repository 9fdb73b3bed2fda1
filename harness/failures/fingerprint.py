"""Fingerprints: equal ones are the same defect, whatever the application."""

from __future__ import annotations

import re

from harness.failures.facts import headline
from harness.records import Failure

#: Names, paths and numbers differ from case to case of one defect.
_VARIABLE = re.compile(
    r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?!\w|\.\d)|"
    r"\S+(?=:<)|'[^']*'|\"[^\"]*\"|`[^`]*`|\{\{.*?\}\}|(?<!<)\b[\w/]*\d[\w/.]*\b"
)
#: The class of what is refused does not: another class is another defect.
_CLASS = re.compile(r"<class '[\w.]*\b(\w+)'>")

#: Libraries whose innermost frame marks the place of a defect, the most telling first.
_LIBRARIES = (
    "tensorflow_model_optimization/",
    "optim/",
    "tf_keras/",
    "tensorflow/",
    "ai_edge_litert/",
)


def fingerprint(failure: Failure) -> str:
    """Return the message without names and numbers, and the library frame at fault.

    Equal fingerprints are the same defect, whatever the application.
    """
    message = failure.chain[-1]["message"] if failure.chain else failure.message
    kind = failure.chain[-1]["type"] if failure.chain else failure.type
    line = _CLASS.sub(r"<\1>", headline(message)).removeprefix(f"{kind}: ")
    text = " ".join(_VARIABLE.sub("_", line).split())
    named = re.search(r"<\w+>", text)
    if named and named.end() > 160:
        text = f"{text[:140]}... {named[0]}"
    text = text[:160]
    where = ""
    for library in _LIBRARIES:
        frames = [f for f in failure.frames if f["file"].startswith(library)]
        if frames:
            where = f" @ {frames[-1]['file']}:{frames[-1]['function']}"
            break
    return f"{kind}: {text}{where}"
