"""What a check leaves in its folder: page, records, files and their scripts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness import records
from harness.checking import scripts
from harness.checking.asked import Asked
from harness.checking.checking import Found, summary
from harness.checking.verdict import Verdict
from harness.paths import shown
from harness.runs.prepare import make_folder

PAGE_NAME = "index.html"


def prepare(asked: Asked) -> None:
    """Make the folder ready before the work.

    Raises:
      UsageError: it cannot be written to.
    """
    if asked.out is not None:
        make_folder(asked.out, "-o")


def write(asked: Asked, found: Found, verdict: Verdict) -> Iterator[str]:
    """Write what was asked for, and yield a line on each part."""
    if asked.out is None:
        return
    from harness.checking.page import html

    records.write(asked.out / records.RESULTS_NAME, found.records)
    records.replace_text(asked.out / PAGE_NAME, html(asked, found, verdict))
    yield ""
    yield f"page: {shown(asked.out / PAGE_NAME)}"
    if asked.save:
        for record in found.records:
            script = scripts.write(asked, record, found.control)
            if script is not None:
                file = asked.out / scripts.file_name(asked, record.technique)
                yield f"file: {shown(file)}, written again by {script.name}"


def as_data(asked: Asked, found: Found, verdict: Verdict) -> dict[str, Any]:
    """Return all that a check has found, for JSON."""
    page = {"page": shown(asked.out / PAGE_NAME)} if asked.out else {}
    return {**summary(found, asked), "verdict": verdict.to_dict(), **page}
