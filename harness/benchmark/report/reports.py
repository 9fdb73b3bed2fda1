"""Writing the page and the CSV; imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.records import Record, replace_text


def write(records: Iterable[Record], page: Path) -> list[Path]:
    """Write the page, and the CSV of the same name beside it; return both paths.

    Raises:
      OSError: the folder cannot be written to.
    """
    from harness.benchmark.report import figures, table
    from harness.benchmark.report.page import html
    from harness.report.pages import beside, files

    found = list(records)
    page.parent.mkdir(parents=True, exist_ok=True)
    written = {
        page: html(found, beside(page), files(page.parent, page.with_suffix(".csv").name)),
        page.with_suffix(".csv"): table.to_csv(figures.rows(found)),
    }
    for path, content in written.items():
        replace_text(path, content)
    return list(written)
