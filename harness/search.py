"""Where Python looks for modules: this project first, the current folder last.

A folder that a user works in may hold an ``optim.py`` or a folder ``harness/``, and Python looks
there first when it is called with ``-m`` or ``-c``, or from a notebook.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from harness.paths import PROJECT

#: The first words of a program given with ``-c``: Python looks in the current folder only where
#: ``PYTHONPATH`` has it.
NOT_HERE_FIRST = "import sys; sys.path[:] = [one for one in sys.path if one]; "


def here_last(path: Iterable[str]) -> list[str]:
    """Return a search path whose last entry is the current folder, with a user's own modules.

    A checkout of this project that is the current folder stays where it is.
    """
    path = list(path)
    try:
        here = os.getcwd()
    except FileNotFoundError:  # it has been removed
        return [one for one in path if one]
    is_here = [not one or os.path.abspath(one) == here for one in path]
    if here == str(PROJECT) and any(is_here):
        return path
    return [*(one for one, found in zip(path, is_here, strict=True) if not found), here]


def for_children() -> str:
    """Return the ``PYTHONPATH`` of a process that this one starts."""
    path = [str(PROJECT), *(one for one in here_last(sys.path) if one)]
    return os.pathsep.join(dict.fromkeys(path))
