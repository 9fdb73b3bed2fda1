"""Reports from records alone: the page, the CSV, the Markdown and terminal summaries.

Nothing here imports TensorFlow; pandas and Jinja2 are imported when a report is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.records import Record, replace_text

if TYPE_CHECKING:
    from harness.report.news import News
    from harness.report.overview import Explanations

TITLE = "Keras applications × model optimization"

CSV_NAME = "matrix.csv"
PAGE_NAME = "index.html"
SUMMARY_NAME = "summary.md"


def write(
    records: Iterable[Record],
    out_dir: Path,
    *,
    title: str = TITLE,
    explanations: Explanations | None = None,
    lapsed: Mapping[str, Sequence[str]] | None = None,
    news: News | None = None,
) -> list[Path]:
    """Write ``matrix.csv``, ``index.html`` and ``summary.md`` into ``out_dir``.

    Args:
      records: all attempts; the last one at each case counts.
      out_dir: created if it does not exist.
      title: the heading of page and summary.
      explanations: causes and remedies by label; the classifier's own by default.
      lapsed: by case: why its record holds no more (``harness.provenance.status``).
      news: what changed since an earlier run, if there is one to compare with.

    Returns:
      The files written.
    """
    from harness.report import overview, page, pages, summary, tables
    from harness.report.text import clean

    records = list(records)
    known = overview.known_explanations() if explanations is None else explanations
    written = {
        CSV_NAME: tables.to_csv(tables.frame(records)),
        PAGE_NAME: page.html(
            records,
            title=title,
            explanations=known,
            pages=pages.beside(out_dir / PAGE_NAME),
            files=pages.files(out_dir, CSV_NAME),
            lapsed=lapsed,
            news=news,
        ),
        SUMMARY_NAME: summary.markdown(records, title=title, explanations=known, news=news),
    }
    out_dir.mkdir(parents=True, exist_ok=True)
    for name, content in written.items():
        replace_text(out_dir / name, clean(content))
    return [out_dir / name for name in written]


def remove(out_dir: Path) -> None:
    """Remove what `write` wrote into ``out_dir``, where something is."""
    for name in (CSV_NAME, PAGE_NAME, SUMMARY_NAME):
        (out_dir / name).unlink(missing_ok=True)
