"""One run at a time writes into a folder of results, and nothing else does meanwhile."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from harness.paths import shown
from harness.vocabulary import UsageError

NAME = "run.lock"


def lock(folder: Path) -> IO[str] | None:
    """Lock a folder for this process, until the file that is returned is closed.

    The lock ends with the process, however that ends; the file stays, and is no lock.

    Returns:
      None where the platform or the file system has no locks.

    Raises:
      UsageError: another run has locked it.
      OSError: the folder cannot be written to.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    file = (folder / NAME).open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        who = file.read().strip()
        file.close()
        raise UsageError(
            f"a run{f' ({who})' if who else ''} is writing to {shown(folder)}/: wait for it, or "
            "choose another folder with --results DIR"
        ) from None
    except OSError:
        file.close()
        return None
    file.truncate(0)
    file.write(f"process {os.getpid()}, since {datetime.now():%Y-%m-%d %H:%M:%S}\n")
    file.flush()
    return file


@contextlib.contextmanager
def alone(folder: Path, *, leave_file: bool = False) -> Iterator[None]:
    """Keep other runs out of a folder for as long as its records are written.

    Args:
      folder: of results.
      leave_file: also lock a folder that no run has written to, which leaves a file there.

    Raises:
      UsageError: a run is writing to it.
    """
    held = lock(folder) if leave_file or (folder / NAME).exists() else None
    try:
        yield
    finally:
        if held is not None:
            held.close()
