"""Running candidates until one fails as the case did."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.failures.fingerprint import fingerprint
from harness.records import Failure, Record
from harness.repro.candidates import Candidate
from harness.repro.recipes import RECIPES, Recipe
from harness.search import here_last
from harness.vocabulary import Status, UsageError

#: Runs a script and writes what it raised, innermost last; knows nothing of this project.
_RUNNER = """
import json, runpy, sys
try:
    runpy.run_path(sys.argv[1], run_name="__main__")
    told = []
except BaseException as error:
    told = []
    while error is not None:
        told.append({"type": type(error).__name__, "message": str(error)})
        hidden = error.__suppress_context__
        error = error.__cause__ or (None if hidden else error.__context__)
json.dump(told, open(sys.argv[2], "w"))
"""

#: Seconds that a candidate may take.
LIMIT = 900.0

#: Runs a script, and returns the exceptions that it raised, outermost first.
Run = Callable[[str], list[dict[str, str]]]


@dataclass(frozen=True)
class Shown:
    """A script that shows a failure, and what it is made of."""

    script: str
    candidate: Candidate
    tried: int


def refuse_others(record: Record) -> Recipe:
    """Return the recipe of a case.

    Raises:
      UsageError: no script can show what became of it; the message says why.
    """
    if record.passed:
        raise UsageError(f"{record.case} passes: there is no failure to show")
    recipe = RECIPES.get(record.technique)
    if recipe is None:
        raise UsageError(
            f"{record.technique} is not what is shipped; a script can be made for "
            f"{', '.join(RECIPES)}"
        )
    if record.status != Status.FAIL or record.stage not in recipe.stages:
        raise UsageError(
            f"{record.case} ended as {record.status} in {record.stage}: a script of a few lines "
            "shows only an exception up to export"
        )
    return recipe


def script(recipe: Recipe, candidate: Candidate, record: Record, versions: str) -> str:
    """Return a whole script: versions, imports, the model, what is done to it."""
    body = [*candidate.lines, *recipe.lines(record.stage)]
    text = "\n".join(body)
    imports = []
    if "np." in text:
        imports.append("import numpy as np")
    if "tf." in text.replace("tf.keras", ""):
        imports.append("import tensorflow as tf")
    imports += recipe.imports
    imports.append("import tf_keras as keras")
    error = _last(record)
    told = " ".join(error["message"].split())[:200]
    lines = [
        f"# {versions}",
        f"# Expected: no error. Found: {error['type']}: {told}",
        "import os",
        "",
        'os.environ["TF_USE_LEGACY_KERAS"] = "1"',
        "",
        *imports,
        *candidate.imports,
        "",
        *body,
    ]
    return "\n".join(lines) + "\n"


def find(record: Record, candidates: Iterable[Candidate], run: Run | None = None) -> Shown | None:
    """Return the first script that fails as a case did; None: none does.

    Args:
      record: of the case.
      candidates: the smallest first; made only as far as they are needed.
      run: runs a script; by default in a process of its own, with this interpreter.
    """
    recipe = refuse_others(record)
    for tried, candidate in enumerate(candidates, 1):
        text = script(recipe, candidate, record, versions_of(recipe))
        raised = (run or in_process)(text)
        if raised and same(raised, record):
            return Shown(text, candidate, tried)
    return None


def same(raised: list[dict[str, str]], record: Record) -> bool:
    """Whether exceptions are those of a record, but for names and numbers."""
    chain = record.failure.chain if record.failure else ()
    wanted = {_print(link) for link in (chain or (_last(record),))}
    return _print(_last(record)) in {_print(one) for one in raised} or any(
        _print(one) in wanted for one in raised[-1:]
    )


def _print(link: Any) -> str:
    return fingerprint(Failure(type=link["type"], message=link["message"])).partition(" @ ")[0]


def _last(record: Record) -> dict[str, str]:
    failure = record.failure
    if failure is None:
        return {"type": "", "message": ""}
    if failure.chain:
        return {k: str(failure.chain[-1].get(k, "")) for k in ("type", "message")}
    return {"type": failure.type, "message": failure.message}


def versions_of(recipe: Recipe) -> str:
    """Return the versions of what a script imports, as pip takes them."""
    found = [f"Python {platform.python_version()}"]
    for name in recipe.packages:
        try:
            found.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def in_process(text: str) -> list[dict[str, str]]:
    """Run a script in a folder and a process of its own."""
    with tempfile.TemporaryDirectory(prefix="tfmot-matrix-repro-") as name:
        folder = Path(name)
        (folder / "repro.py").write_text(text, encoding="utf-8")
        command = [sys.executable, "-c", _RUNNER, "repro.py", "raised.json"]
        try:
            subprocess.run(command, cwd=folder, capture_output=True, timeout=LIMIT, check=False)
            found: list[dict[str, str]] = json.loads((folder / "raised.json").read_text())
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return []
    return found


def layers_of(record: Record, module: str, function: str) -> list[dict[str, Any]]:
    """Return what is told of the layer that a record blames, and of those before it.

    Nothing where it blames none, or where that cannot be told.
    """
    if not record.blocker_name:
        return []
    command = [sys.executable, "-m", "harness.repro.describe", module, function]
    command += [record.variant, record.blocker_name]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env={**_environment(), "PYTHONPATH": ":".join(here_last(sys.path))},
    )
    lines = done.stdout.strip().splitlines()
    try:
        found: list[dict[str, Any]] = json.loads(lines[-1]) if lines else []
    except ValueError:
        return []
    return found


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
