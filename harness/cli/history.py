"""`harness history`: what changed night by night."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.records.kinds import of_matrix
from harness.vocabulary import Exit, UsageError, unknown

if TYPE_CHECKING:
    from harness.history.store import History

NAME = "history"
SUMMARY = "keep what changed night by night; show it, write its page and its feed"
MORE = (
    "A history is a folder with a file for each stack, to which a night adds a line for each case\n"
    "that changed beyond its noise, and one for itself. docs/history.md has the form.\n\n"
    "examples:\n"
    "  harness history store --add site                  the night that site/ is of\n"
    "  harness history store -o site                     history.html, regressions.atom\n"
    "  harness history store --case MobileNetV2-qat-notop\n"
    "  harness history store --column qat"
)


def add_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("store", type=Path, metavar="STORE", help="the folder of the history")
    sub.add_argument(
        "--add", type=Path, metavar="RESULTS", help="add the night of these records, if it is new"
    )
    sub.add_argument(
        "--night", default="", metavar="DATE", help="its date (default: of the newest record)"
    )
    sub.add_argument(
        "--stack", default="pinned", metavar="NAME", help="whose nights (default: %(default)s)"
    )
    sub.add_argument("--case", default="", metavar="CASE", help="show the timeline of a case")
    sub.add_argument("--column", default="", metavar="TECHNIQUE", help="show that of a column")
    sub.add_argument("-o", "--output", type=Path, metavar="DIR", help="write page and feed there")
    sub.add_argument(
        "--address",
        default="",
        metavar="URL",
        help="where the page will be, for the links of the feed",
    )


def run(given: argparse.Namespace) -> Exit:
    from harness.history import store

    if given.night and given.add is None:
        raise UsageError("--night is about --add RESULTS, which is not given")
    if given.add is not None:
        _add(given)
    if given.output is not None:
        _write(given)
    known = store.read(given.store, given.stack)
    if given.case:
        _case(known, given.case)
    elif given.column:
        _column(known, given.column)
    elif given.add is None and given.output is None:
        _tell(known, given.store)
    return Exit.AS_EXPECTED


def _add(given: argparse.Namespace) -> None:
    from harness.history import store

    known = store.read(given.store, given.stack)
    found = of_matrix([given.add])
    last = known.nights[-1].night if known.nights else ""
    newest = given.night or max(r.started for r in found)[:16]
    if newest and newest == last:
        print(f"the night {last} is there already: nothing is added")
        return
    night = store.next_night(known, found, given.night)
    size = store.append(given.store, given.stack, night)
    print(
        f"{night.night}: {len(night.rows)} of {night.cases} cases changed, {size} bytes; "
        f"{len(known.nights) + 1} nights"
    )


def _write(given: argparse.Namespace) -> None:
    from harness.history import feed, page, store
    from harness.records import replace_text

    found = [store.read(given.store, name) for name in store.stacks(given.store)]
    if not any(one.nights for one in found):
        raise UsageError(f"there is no night in {given.store}")
    address = given.address.rstrip("/") + "/" if given.address else ""
    given.output.mkdir(parents=True, exist_ok=True)
    replace_text(given.output / page.NAME, page.html(found))
    replace_text(given.output / feed.NAME, feed.atom(found, address))
    print(f"{given.output / page.NAME}")


def _case(known: History, case: str) -> None:
    from harness.history import timeline

    found = timeline.of_case(known, case)
    if not found:
        raise unknown("case", case, known.state(), listing="list")
    for point in found:
        print(f"{point.night:<17} {point.after.way} {point.says}")


def _column(known: History, column: str) -> None:
    from harness.history import timeline

    found = {name: c for name, c in timeline.columns(known).items() if name[0] == column}
    if not found:
        raise unknown("technique", column, {name for name, _ in timeline.columns(known)})
    for (_, variant), counts in found.items():
        last = None
        for one in counts:
            told = (one.cases, one.passed)
            if told == last and not (one.worse or one.better):
                continue
            last = told
            moved = f"  {one.worse} worse, {one.better} better" if one.worse or one.better else ""
            print(f"{one.night:<17} {variant:<6} {one.passed} of {one.cases} pass{moved}")


def _tell(known: History, folder: Path) -> None:
    from harness.history import store

    if not known.nights:
        there = ", ".join(store.stacks(folder)) or "none"
        raise UsageError(f"{folder} has no night of {known.stack!r}; stacks: {there}")
    size = store.file_of(folder, known.stack).stat().st_size
    for night in known.nights[-30:]:
        ways = {way: len(night.way(way)) for way in "-+="}
        print(
            f"{night.night:<17} {night.passed} of {night.cases} pass  "
            f"{ways['-']} worse, {ways['+']} better, {ways['=']} otherwise"
        )
    print(f"{len(known.nights)} nights in {size} bytes")
