# ruff: noqa: PT028  (these are no tests, whatever their names say)
"""The one-call form, for a notebook or a terminal: ``harness.test_applications()``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from harness import environment, techniques
from harness.failures import classify
from harness.matrix import discovery, selection
from harness.matrix.application import Application
from harness.matrix.cases import Case, check_stage
from harness.records import Record
from harness.runs import prepare, progress
from harness.runs.session import Session
from harness.runs.settings import DEFAULT_RUNTIME, Settings
from harness.runs.stamps import new_run_id
from harness.vocabulary import UsageError

_GREEN, _RED, _PLAIN = "\033[32m", "\033[31m", "\033[0m"


def test_applications(
    applications: ModuleType | Sequence[str] | str | None = None,
    include_top: bool = False,
    *,
    technique: str = "qat-annotate",
    until: str = "save",
    runtime: str = DEFAULT_RUNTIME,
) -> list[Record]:
    """Try one technique on every application and print a line for each.

    Every case runs in a process of its own, so nothing it does reaches the caller.

    Args:
      applications: ``keras.applications`` (the default), or names, patterns and
        ``package.module:function`` references as the command line takes them.
      include_top: which variant to build, ``top`` or ``notop``.
      technique: a column of the matrix; ``harness list --what techniques`` shows all.
      until: the last stage.
      runtime: the module that runs a case.

    Returns:
      The records, in the order of the lines.

    Raises:
      UsageError: a word is unknown, or a module or package is missing.
    """
    column = techniques.select([technique])[0]
    check_stage(until)
    variant = "top" if include_top else "notop"
    rows = _rows(applications)
    prepare.check_runtime(runtime)
    width = max(len(row.name) for row in rows)
    found = []
    with tempfile.TemporaryDirectory(prefix="tfmot-matrix-call-") as folder:
        settings = Settings(
            results=Path(folder),
            until=until,
            runtime=runtime,
            fresh=True,
            run_id=new_run_id(),
            threads=environment.cores(),  # one case at a time has the machine to itself
        )
        one = Session(settings)
        try:
            for row in rows:
                record = one.run(Case(row, column, variant))
                found.append(record)
                print(_line(record, width), flush=True)
        finally:
            one.close()
    return found


def _rows(given: ModuleType | Sequence[str] | str | None) -> tuple[Application, ...]:
    if given is None:
        return discovery.discover()
    if isinstance(given, ModuleType):
        name, _, last = given.__name__.rpartition(".")
        while last and last != "applications":  # keras.api._v2.keras.applications, and the like
            name, _, last = name.rpartition(".")
        package = given.__name__.partition(".")[0]
        if last != "applications":
            raise UsageError(f"{given.__name__} is no `applications` module of a Keras package")
        return discovery.discover(package)
    words: Sequence[str] = [given] if isinstance(given, str) else list(given)
    if not words:
        raise UsageError("no application is given; leave the argument out to try all of them")
    return selection.select(words)


def _line(record: Record, width: int) -> str:
    if record.passed:
        sign, colour, what = "ok", _GREEN, f"{record.seconds:.1f} s"
    else:
        told = classify.BY_NAME.get(record.label or "")
        sign, colour = record.status, _RED
        what = f"{record.stage}: {told.title if told else record.label}"
        if record.blocker:
            what += f" ({record.blocker})"
        what += f" - {progress.first_line(record)}"[:100]
    text = f"{sign:<8} {record.application:<{width}}  {what}"
    return f"{colour}{text}{_PLAIN}" if sys.stdout.isatty() else text


# The spelling in use today.
test_aplications = test_applications

# Neither is a test, whatever their names say to pytest.
test_applications.__test__ = False  # type: ignore[attr-defined]
