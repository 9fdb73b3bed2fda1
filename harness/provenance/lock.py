"""The lock file: the states of the code that records were made with.

It lies beside a record file. A record's ``code`` names the state that it was run under, and
the state says what each component was then. So a change of code shows as one line here, and
can be told as the reason why a record has lapsed; whether it has, its key alone says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

from harness import environment, records, techniques
from harness.provenance.codebase import Provenance, here
from harness.provenance.keys import digest_of
from harness.records import Record

NAME = "components.lock.json"


@dataclass(frozen=True)
class State:
    """What the code was at one time.

    Attributes:
      id: digest of the digests.
      date: UTC, when a run first met it.
      revision: of the checkout, as ``git describe`` tells it.
      components: digest by component.
      techniques: digest of what each technique does itself, by its id.
    """

    id: str
    date: str = ""
    revision: str | None = None
    components: Mapping[str, str] = field(default_factory=dict)
    techniques: Mapping[str, str] = field(default_factory=dict)


def state(code: Provenance) -> State:
    """Return the state that code is in."""
    components = code.components()
    own = {one.id: code.technique(one) for one in techniques.registry().values()}
    return State(
        id=digest_of({"components": components, "techniques": own})[:12],
        date=f"{datetime.now(timezone.utc):%Y-%m-%d}",
        revision=environment.capture()["revision"],
        components=components,
        techniques=own,
    )


@cache
def current() -> State:
    """Return the state of the code of this process."""
    return state(here())


def beside(path: Path) -> Path:
    """Return where the lock file of a record file, or of a folder with one, is."""
    return (path if path.is_dir() or not path.suffix else path.parent) / NAME


def read(path: Path) -> dict[str, State]:
    """Return the states in the lock file beside records, by id; none if it cannot be read.

    What it says explains, and decides nothing: no run has to stop for it.
    """
    try:
        lines = json.loads(beside(path).read_text(encoding="utf-8"))["states"]
        found = [State(**line) for line in lines]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {one.id: one for one in found}


def write(path: Path, states: Mapping[str, State]) -> None:
    """Write the lock file beside records: one state a line, by date; none: no file."""
    target = beside(path)
    if not states:
        target.unlink(missing_ok=True)
        return
    ordered = sorted(states.values(), key=lambda one: (one.date, one.id))
    lines = ",\n".join(json.dumps(asdict(one), sort_keys=True) for one in ordered)
    records.replace_text(target, f'{{"states": [\n{lines}\n]}}\n')


def note(folder: Path, reference: Path | None = None) -> str:
    """Note in a results folder which state of the code is about to run; return its id.

    Args:
      folder: where the records of the run are kept.
      reference: where outcomes may be taken from: their states are noted too.
    """
    known, now = read(folder), current()
    wanted = {**(read(reference) if reference else {}), **known}
    wanted.setdefault(now.id, now)
    if wanted != known:
        folder.mkdir(parents=True, exist_ok=True)
        write(folder, wanted)
    return now.id


def carry(found: Iterable[Record], sources: Iterable[Path], target: Path) -> None:
    """Write beside records that were brought together the states that they name.

    Args:
      found: the records.
      sources: files and folders that they come from.
      target: the file or folder that they are now in.
    """
    named = {record.code for record in found}
    known = {id: one for source in (*sources, target) for id, one in read(source).items()}
    write(target, {id: one for id, one in known.items() if id in named})
