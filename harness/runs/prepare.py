"""Before a run: everything that can be known to fail is found before the work."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import tempfile
from pathlib import Path

from harness import records
from harness.records import Record, kinds
from harness.runs.settings import Settings
from harness.vocabulary import UsageError

#: A run needs room for its records and, at any time, a few saved models.
NEEDED_BYTES = 4 * 2**30

START = "start"
PREVIOUS_NAME = "results.previous.jsonl"


def prepare(run: Settings, *, keep: bool, needs_records: bool = False) -> tuple[Record, ...]:
    """Check the environment and make the results folder ready.

    Args:
      run: the settings.
      keep: whether the records that are there are continued.
      needs_records: whether there have to be some.

    Returns:
      The records that are continued.

    Raises:
      UsageError: something is missing; one sentence with what to do.
    """
    check_runtime(run.runtime)
    before = left(run, keep=keep)
    kinds.refuse_others(before, run.file, bench=False)
    make_folder(run.results)
    _room(Path(tempfile.gettempdir()))
    start = run.results / START
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(start)
    if not keep:
        return ()
    if not run.file.exists():
        if needs_records:
            raise UsageError(
                f"nothing to repeat: there is no {records.RESULTS_NAME} in {run.results.name}/; "
                "run without --only-failed"
            )
        return ()
    # Workers decide what is left by this copy, not by the file they append to.
    start.mkdir()
    records.write(start / records.RESULTS_NAME, before)
    return before


def left(run: Settings, *, keep: bool) -> tuple[Record, ...]:
    """Return what an earlier run has left.

    Args:
      run: the settings.
      keep: whether it is to be continued.

    Raises:
      UsageError: it cannot be read, and is to be continued.
    """
    try:
        return records.read(run.file).records
    except records.RecordError as error:
        if keep and run.file.exists():
            raise UsageError(f"nothing to continue: {error}") from error
        return ()


def check_runtime(name: str) -> None:
    """Check that the module that runs cases is there, and that it can run them here.

    Raises:
      UsageError: it is not, or cannot.
    """
    try:
        runtime = importlib.import_module(name)
    except (ImportError, ValueError) as error:
        raise UsageError(f"--runtime {name}: {error}") from error
    runtime.check()


def set_aside(run: Settings) -> None:
    """Move the records of the last run out of the way, once there is a case to run."""
    with contextlib.suppress(FileNotFoundError):
        os.replace(run.file, run.file.with_name(PREVIOUS_NAME))


def make_folder(folder: Path, option: str = "--results") -> None:
    """Make the folder of the results, and see that it can be written to.

    Args:
      folder: of the results.
      option: the one that names it.

    Raises:
      UsageError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-{os.getpid()}"
        probe.write_bytes(b"\n")
        probe.unlink()
    except OSError as error:
        raise UsageError(
            f"cannot write to the results folder {folder}: {error.strerror}; "
            f"choose another with {option} DIR"
        ) from error


def _room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise UsageError(
            f"{folder} has {free / 2**30:.1f} GiB free, and saving models takes up to "
            f"{NEEDED_BYTES / 2**30:.0f}: make room, or set TMPDIR to another disk"
        )
