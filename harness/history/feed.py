"""The Atom feed of regressions: an entry for each night on which something became worse."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from xml.etree import ElementTree

from harness.history.rows import WORSE
from harness.history.store import History
from harness.history.timeline import Point, points
from harness.report.text import clean

NAME = "regressions.atom"

#: Entries that the feed holds, and cases that an entry names.
MOST, NAMED = 50, 100

_ATOM = "http://www.w3.org/2005/Atom"

#: What the ids of feed and entries are made of: the same night has the same one, for ever.
_SPACE = uuid.uuid5(uuid.NAMESPACE_OID, "tfmot-matrix.history")


def atom(histories: Iterable[History], address: str = "") -> str:
    """Write the feed (RFC 4287).

    Args:
      histories: of each stack.
      address: of the folder that the page lies in, for links that readers can follow; without
        it they are relative.
    """
    histories = list(histories)
    entries = [(night, one.stack, worse) for one in histories for night, worse in _worse(one)]
    entries.sort(key=lambda entry: entry[:2], reverse=True)
    newest = max((night.night for one in histories for night in one.nights), default="1970-01-01")
    feed = ElementTree.Element(f"{{{_ATOM}}}feed")
    _add(feed, "title", "Keras applications × model optimization: regressions")
    _add(feed, "id", _id("feed"))
    _add(feed, "updated", _moment(newest))
    _add(_add(feed, "author"), "name", "the nightly run of the matrix")
    _add(feed, "link", href=f"{address}history.html")
    _add(feed, "link", rel="self", href=f"{address}{NAME}")
    for night, stack, worse in entries[:MOST]:
        entry = _add(feed, "entry")
        count = f"{len(worse)} {'case' if len(worse) == 1 else 'cases'}"
        _add(entry, "title", f"{count} became worse ({stack}, {night})")
        _add(entry, "id", _id(f"{stack}/{night}"))
        _add(entry, "updated", _moment(night))
        _add(entry, "link", href=f"{address}history.html#{stack}-{night}")
        lines = [f"{one.after.case}: {one.says}" for one in worse[:NAMED]]
        if len(worse) > NAMED:
            lines.append(f"and {len(worse) - NAMED} more")
        _add(entry, "content", clean("\n".join(lines)), type="text")
    ElementTree.register_namespace("", _ATOM)
    ElementTree.indent(feed)
    body = ElementTree.tostring(feed, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def _worse(history: History) -> list[tuple[str, list[Point]]]:
    found: dict[str, list[Point]] = {}
    for point in points(history):
        if point.after.way == WORSE:
            found.setdefault(point.night, []).append(point)
    return list(found.items())


def _add(
    parent: ElementTree.Element, name: str, text: str | None = None, **attributes: str
) -> ElementTree.Element:
    found = ElementTree.SubElement(parent, f"{{{_ATOM}}}{name}", attributes)
    found.text = text
    return found


def _id(name: str) -> str:
    return uuid.uuid5(_SPACE, name).urn


def _moment(night: str) -> str:
    """Return a night as RFC 3339 wants it; one without a time began at midnight."""
    time = night[10:] or "T00:00"
    return f"{night[:10]}{time}{':00' if len(time) == 6 else ''}Z"
