"""``docs/results.md``: where it is, and what it has to be by the records beside it."""

from __future__ import annotations

from pathlib import Path

from harness.records import RESULTS_NAME, replace_text
from harness.records.kinds import of_benchmark, of_matrix

#: The folder beside the records of the matrix that holds those of the training benchmark.
BENCH_NAME = "bench"


def page_of(reports: Path) -> Path:
    """Return the page of a folder of published records: in the folder of documents beside it."""
    return reports.resolve().parent / "docs" / "results.md"


def text(results: Path) -> str:
    """Write the page from the records of a file, or of a folder that holds one.

    Raises:
      UsageError: there are no records of the matrix, or some cannot be read.
    """
    from harness.benchmark.report import markdown as benchmark
    from harness.report.results import markdown
    from harness.report.text import clean

    training = (results if results.is_dir() else results.parent) / BENCH_NAME / RESULTS_NAME
    units = of_benchmark([training]) if training.exists() else []
    more = benchmark.lines(units) if units else ()
    return clean(markdown(of_matrix([results]), more))


def renew(results: Path, page: Path) -> None:
    """Write the page to a file.

    Raises:
      UsageError: as `text`.
      OSError: the file cannot be written.
    """
    replace_text(page, text(results))
