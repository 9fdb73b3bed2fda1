"""Identity: what client and workers must have in common for their records to be of one run."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Mapping
from functools import cache

from harness import environment
from harness.paths import PROJECT

#: What must agree besides Python's minor version and this project's code, as `capture` names it.
LIBRARIES = ("keras_module", "tensorflow", "tf_keras", "tfmot", "ai_edge_litert")

#: Where this project's code lies, for the digest.
_PACKAGES = ("harness", "optim")

ABSENT = "none"


@cache
def identity() -> Mapping[str, str]:
    """Return what of this process must agree with the others, by what it is of."""
    here = environment.capture()
    return {
        "python": ".".join(str(here["python"]).split(".")[:2]),
        **{name: str(here.get(name, ABSENT)) for name in LIBRARIES},
        "distributed": importlib.metadata.version("distributed"),
        "code": code_digest(),
    }


def code_digest() -> str:
    """Return a digest of this project's source files and of what they are called."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted((PROJECT / package).rglob("*.py")):
            digest.update(path.relative_to(PROJECT).as_posix().encode() + b"\0")
            digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """Return in words what differs, with both sides named; nothing if all agrees."""
    return ", ".join(
        f"{name} {there.get(name, ABSENT)} (here {here[name]})"
        for name in here
        if there.get(name, ABSENT) != here[name]
    )
