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


class Records(list[Record]):
    """Records as a notebook shows them: a line for each, not all that each holds."""

    def __repr__(self) -> str:
        width = _width([record.application for record in self])
        return "\n".join(_line(record, width) for record in self) or "no records"


def test_applications(
    applications: ModuleType | Sequence[str] | str | None = None,
    include_top: bool = False,
    *,
    technique: str = "qat",
    until: str = "save",
    runtime: str = DEFAULT_RUNTIME,
) -> Records:
    """Try one technique on every application and print a line for each.

    Every case runs in a process of its own, so nothing it does reaches the caller.

    Args:
      applications: ``keras.applications`` (the default), or names, patterns and
        ``package.module:function`` references as the command line takes them.
      include_top: which variant to build, ``top`` or ``notop``.
      technique: a column of the matrix, by default that of `optim.quantize_model`;
        ``harness list --what techniques`` shows all.
      until: the last stage.
      runtime: the module that runs a case.

    Returns:
      The records, in the order of the lines; a list that shows as these lines.

    Raises:
      UsageError: a word is unknown, or a module or package is missing.
    """
    column = techniques.select([technique])[0]
    check_stage(until)
    variant = "top" if include_top else "notop"
    rows = _rows(applications)
    prepare.check_runtime(runtime)
    width = _width([row.name for row in rows])
    found = Records()
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
                line = _line(record, width)
                print(_coloured(line, record) if sys.stdout.isatty() else line, flush=True)
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


def _width(names: list[str]) -> int:
    return max(map(len, names), default=0)


def _line(record: Record, width: int) -> str:
    if record.passed:
        sign, what = "ok", f"{record.seconds:.1f} s"
    else:
        told = classify.BY_NAME.get(record.label or "")
        sign = record.status
        what = f"{record.stage}: {told.title if told else record.label}"
        if record.blocker:
            what += f" ({record.blocker})"
        what += f" - {progress.first_line(record)}"[:100]
    return f"{sign:<8} {record.application:<{width}}  {what}"


def _coloured(line: str, record: Record) -> str:
    return f"{_GREEN if record.passed else _RED}{line}{_PLAIN}"


# The spelling in use today.
test_aplications = test_applications

# Neither is a test, whatever their names say to pytest.
test_applications.__test__ = False  # type: ignore[attr-defined]
