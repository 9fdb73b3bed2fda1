"""The options of a run, as data: pytest and the command line both take them from here."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from harness.execution.attempt import Limits
from harness.paths import EXPECTATIONS, OWN_EXPECTATIONS, REPORTS
from harness.records import RESULTS_NAME
from harness.runs.sample import DEFAULT_BUDGET
from harness.runs.settings import DEFAULT_RUNTIME
from harness.stages.inputs.weights import WORDS as WEIGHTS
from harness.stages.workbench import Options
from harness.techniques.peers import interpreters
from harness.vocabulary import STAGES, VARIANTS, nearest, unknown

_SEEDS = 2**32  # as many as NumPy has


def at_least_one(value: str) -> int:
    """Read a number of things."""
    if not value.isdecimal() or int(value) < 1:
        raise argparse.ArgumentTypeError(f"{value!r} is not a whole number of at least 1")
    return int(value)


def seed(value: str) -> int:
    """Read the seed of random numbers."""
    if not value.isdecimal() or int(value) >= _SEEDS:
        raise argparse.ArgumentTypeError(f"{value!r} is not a whole number of 0 to {_SEEDS - 1}")
    return int(value)


#: Seconds by the letter behind a number.
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(value: str) -> float:
    """Read a time such as ``90s``, ``10m`` or ``1h``; a number alone is of seconds."""
    number, unit = (value[:-1], value[-1]) if value.endswith(("s", "m", "h")) else (value, "")
    try:
        found = float(number) * _UNITS[unit]
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise argparse.ArgumentTypeError(f"{value!r} is not a time such as 90s, 10m or 1h")
    return found


def _above_zero(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{value!r} is not a number above 0")
    return number


def _weights(value: str) -> str:
    """One of the words, or a folder that is there: else every case would fail for itself."""
    if value not in WEIGHTS and not Path(value).is_dir():
        raise argparse.ArgumentTypeError(f"{unknown('weights or folder', value, WEIGHTS)}")
    return value


def file_there(value: str) -> Path:
    """Read the name of a file that has to be there: what only a default may be absent."""
    path = Path(value)
    if path.is_file():
        return path
    near = nearest(path.name, [one.name for one in path.parent.glob("*") if one.is_file()])
    hint = (
        f": did you mean {' or '.join(str(path.with_name(name)) for name in near)}?" if near else ""
    )
    raise argparse.ArgumentTypeError(f"there is no file {value!r}{hint}")


def records_there(value: str) -> Path:
    """Read the name of a file of records that has to be there, or of a folder that holds one."""
    return file_there(str(Path(value, RESULTS_NAME)) if Path(value).is_dir() else value)


_WORDS = {"action": "append", "default": [], "metavar": "A,B"}

SELECTION: Mapping[str, Mapping[str, Any]] = {
    "--applications": {
        **_WORDS,
        "help": "names, patterns (ResNet*), family:NAME, or package.module:function",
    },
    "--techniques": {**_WORDS, "help": "columns; default: all"},
    "--variants": {**_WORDS, "help": f"{' or '.join(VARIANTS)}; default: notop"},
}

#: What decides how one case is run: options of a run and of ``harness case`` alike.
CASE: Mapping[str, Mapping[str, Any]] = {
    "--until": {
        "default": STAGES[-1],
        "metavar": "STAGE",
        "help": f"the last stage: {', '.join(STAGES)} (default: {STAGES[-1]})",
    },
    "--case-timeout": {
        "type": _above_zero,
        "default": Limits().seconds,
        "metavar": "SECONDS",
        "help": "wall time one case may take (default: %(default)g)",
    },
    "--case-memory": {
        "type": _above_zero,
        "default": Limits().memory_bytes / 2**30,
        "metavar": "GIB",
        "help": "resident memory one case may use (default: %(default)g)",
    },
    "--samples": {
        "type": at_least_one,
        "default": Options().samples,
        "metavar": "N",
        "help": "photographs that ranges are taken from and outputs compared on "
        "(default: %(default)d)",
    },
    "--weights": {
        "type": _weights,
        "default": Options().weights,
        "metavar": "KIND",
        "help": f"{'; '.join(f'{word}: {tells}' for word, tells in WEIGHTS.items())}; or a folder "
        "of files named APPLICATION_VARIANT.weights.h5 (default: %(default)s)",
    },
    "--save-format": {
        "choices": ("h5", "keras"),
        "default": Options().save_format,
        "help": "file format of the save stage (default: %(default)s)",
    },
    "--input-size": {
        "type": at_least_one,
        "default": Options().input_size,
        "metavar": "PIXELS",
        "help": "height and width fed to a notop model (default: %(default)d)",
    },
    "--batch": {
        "type": at_least_one,
        "default": Options().batch,
        "metavar": "N",
        "help": "images per training step at notop (default: %(default)d)",
    },
    "--seed": {
        "type": seed,
        "default": Options().seed,
        "metavar": "N",
        "help": "of weights and images (default: %(default)d)",
    },
    "--peer-python": {
        "action": "append",
        "default": [],
        "type": interpreters.read,
        "metavar": "NAME=PATH",
        "help": "the interpreter of a column that has an environment of its own, e.g. "
        "mct=venv/bin/python (docs/peers.md)",
    },
    "--runtime": {
        "default": DEFAULT_RUNTIME,
        "metavar": "MODULE",
        "help": "the module that runs a case in its process; the harness's tests use another",
    },
}

RUN: Mapping[str, Mapping[str, Any]] = {
    "--budget": {
        "type": seconds,
        "default": DEFAULT_BUDGET,
        "metavar": "TIME",
        "help": "wall time that a sample of the cells whose records hold may take, e.g. 90s, 10m "
        "or 1h (default: 10m); what has lapsed is run whatever it takes",
    },
    "--sample-seed": {
        "type": seed,
        "default": None,
        "metavar": "N",
        "help": "of the draw of the sample (default: another one each time; it is printed)",
    },
    "--smoke": {
        "action": "store_true",
        "help": "a sample of one small member per family and kind of row, which keeps to its "
        "budget: lapsed cells, too, are run only as far as it goes",
    },
    "--shard": {"metavar": "I/N", "help": "the I-th of N parts, for several machines"},
    "--results": {
        "type": Path,
        "default": None,
        "metavar": "DIR",
        "help": "where records and reports go (default: .harness; a complete default run is "
        "also published to reports/)",
    },
    "--resume": {"action": "store_true", "help": "keep what the last run finished, run the rest"},
    "--only-failed": {
        "action": "store_true",
        "help": "run again what did not pass in the last run",
    },
    "--fresh": {
        "action": "store_true",
        "help": "run everything: no sample, nothing is taken from the reference run",
    },
    "--reference": {
        "type": records_there,
        "default": REPORTS / RESULTS_NAME,
        "metavar": "FILE",
        "help": "records that stand for cells whose keys hold (default: reports/)",
    },
    "--expectations": {
        "type": file_there,
        "default": EXPECTATIONS,
        "metavar": "FILE",
        "help": "the baseline to compare with (default: harness/baseline/expectations.txt; for "
        f"applications of your own {OWN_EXPECTATIONS} in the current folder)",
    },
    "--allow-removed": {
        "action": "store_true",
        "help": "report applications of the baseline that no longer exist instead of stopping",
    },
}

#: All options of a run of the matrix.
MATRIX: Mapping[str, Mapping[str, Any]] = {**SELECTION, **CASE, **RUN}


def split(values: list[str]) -> tuple[str, ...]:
    """Return the words of an option that may be given several times, or with commas."""
    return tuple(word for value in values for word in value.split(",") if word)


def options_of(given: Any) -> Options:
    """Return what the options that change what a case does say."""
    return Options(**{one.name: getattr(given, one.name) for one in fields(Options)})


def limits_of(given: Any) -> Limits:
    """Return what ``--case-timeout`` and ``--case-memory`` say."""
    return Limits(given.case_timeout, int(given.case_memory * 2**30))
