"""What runs a technique on a person's model, in a process of its own (see `harness.execution`)."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import techniques
from harness.checking import islands
from harness.checking.bench import Checked
from harness.execution import runtime
from harness.execution.runtime import Report, check, kept_bytes, preload
from harness.stages import Stage, options_from, stage
from harness.vocabulary import CONTROL

__all__ = ["check", "group", "kept_bytes", "preload", "run"]

#: What decides how the model is opened: requests that agree in it share a process.
_SHARED = ("source", "data", "custom", "trust", "options", "threads")


def group(request: Mapping[str, Any]) -> str:
    """Return the same for requests that may follow one another in one process."""
    return json.dumps([request[name] for name in _SHARED], sort_keys=True)


def run(request: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    """Run one technique stage by stage; an exception means the stage failed.

    Args:
      request: what `harness.checking.checking` says of it: ``stages``; ``facts``, where what
        the page tells beside the record is written; ``keep``, the folder for its file.
      report: told of each stage.
    """
    runtime.set_up(request["threads"])
    bench = Checked(
        module="harness.checking.opened",
        function="open_model",
        variant="top",
        technique=_tolerant(request["technique"]),
        options=options_from(request["options"]),
        scratch=Path(request["scratch"]),
        foundation=runtime.foundation_of((group(request),), Path(request["shared"])),
        stages=tuple(request["stages"]),
        told={name: request[name] for name in ("source", "data", "custom", "trust")},
    )
    facts: dict[str, Any] = {}
    try:
        if request.get("layers"):
            from harness.checking.layers import describe

            runtime.go_through(bench, report, lambda name: _opened_for(describe, facts))
        else:
            runtime.go_through(bench, report, _stage)
            _keep(bench, request)
    finally:
        if bench.report is not None:
            facts |= _of_file(bench.report, bench.told)
        Path(request["facts"]).write_text(json.dumps(facts), encoding="utf-8")
    return bench.metrics


def _tolerant(name: str) -> Any:
    """Return a technique that takes a float island for a figure.

    In the matrix a file with one has failed; to whoever has the model it is a file that works,
    and an operation that costs more than it has to.
    """
    technique = copy.copy(techniques.registry()[name])
    technique.int8 = False
    return technique


def _stage(name: str) -> Stage:
    if name == "build":
        from harness.checking.build import run as build

        return build
    return stage(name)


def _opened_for(describe: Any, facts: dict[str, Any]) -> Stage:
    def look(bench: Any) -> None:
        _stage("build")(bench)
        facts.update(describe(bench))

    return look


def _keep(bench: Checked, request: Mapping[str, Any]) -> None:
    """Put the file, and what it was made with, where the user wants it."""
    if not request.get("keep"):
        return
    import numpy as np

    folder = Path(request["keep"])
    shutil.copyfile(bench.file, folder / request["file"])
    if request["technique"] == CONTROL:
        arrays = {f"input_{i}": x for i, x in enumerate(bench.arrays)}
        np.savez(folder / request["samples"], **arrays)


def _of_file(report: Any, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of a file beside the figures of its record."""
    return {
        "islands": islands.describe(report, told),
        "operations": report.histogram,
        "scheme": report.metadata.get("scheme", ""),
    }
