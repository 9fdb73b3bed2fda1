"""Interpreters of other environments, by the name that techniques give them.

They are named on the command line (``--peer-python mct=PATH``) and reach every process of a run
through the environment.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

#: Holds a JSON object: name to path.
VARIABLE = "TFMOT_MATRIX_PEER_PYTHON"

_VERSIONS = (
    "import importlib.metadata as m, json, platform, sys\n"
    "found = {'python': platform.python_version()}\n"
    "for name in sys.argv[1:]:\n"
    "    try: found[name] = m.version(name)\n"
    "    except m.PackageNotFoundError: found[name] = None\n"
    "print(json.dumps(found))"
)


def given() -> dict[str, str]:
    """Return the interpreters that were named, by name."""
    try:
        found = json.loads(os.environ.get(VARIABLE, "{}"))
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def read(word: str) -> tuple[str, str]:
    """Read ``NAME=PATH``, and see that there is a program."""
    name, _, path = word.partition("=")
    if not name or not path:
        raise argparse.ArgumentTypeError(f"{word!r} does not read NAME=PATH")
    # Not resolved: where a link to an interpreter lies says which environment it is of.
    whole = Path(path).expanduser().absolute()
    if not whole.is_file() or not os.access(whole, os.X_OK):
        raise argparse.ArgumentTypeError(f"there is no interpreter {path!r}")
    return name, str(whole)


def name(pairs: Iterable[tuple[str, str]]) -> None:
    """Make interpreters known to this process and all that it starts."""
    found = {**given(), **dict(pairs)}
    if found:
        os.environ[VARIABLE] = json.dumps(found)


@lru_cache(maxsize=16)
def versions(path: str, distributions: tuple[str, ...]) -> Mapping[str, str | None]:
    """Return the versions of distributions in an interpreter's environment, and its own.

    None for what it does not have; nothing of an interpreter that does not start.
    """
    try:
        done = subprocess.run(
            [path, "-c", _VERSIONS, *distributions],
            capture_output=True,
            text=True,
            timeout=60,
            env=clean(),
        )
        found: dict[str, str | None] = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return dict.fromkeys(distributions)
    return found


def clean() -> dict[str, str]:
    """Return an environment without what only this Python's packages are meant to see."""
    ours = ("PYTHONPATH", "PYTHONHOME", "KERAS_MODULE", "TF_USE_LEGACY_KERAS", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if name not in ours}
