"""The pages that a folder of reports can have, for the links from one to the other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

#: File name -> what the page tells.
PAGES: Mapping[str, str] = {
    "index.html": "The matrix: which technique works on which application",
    "bench.html": "Training benchmark: what a technique costs in accuracy",
    "history.html": "History: what changed night by night",
}


def beside(page: Path) -> dict[str, str]:
    """Return the other pages that are in the folder of a page, by file name."""
    return {
        name: tells
        for name, tells in PAGES.items()
        if name != page.name and (page.parent / name).is_file()
    }


#: What else can be beside a page, or near it -> what it is.
FILES: Mapping[str, str] = {
    "matrix.csv": "a row for each case",
    "results.jsonl": "every record",
    "summary.md": "the summary as text",
    "bench.csv": "the training benchmark",
    "../docs/harness.md": "how to read this page",
    "../docs/metrics.md": "what each number is",
}


def files(folder: Path, *written: str) -> dict[str, str]:
    """Return the files to link to from a page of a folder, by their address from there.

    Args:
      written: names of those that are about to be written.
    """
    return {
        name: tells for name, tells in FILES.items() if name in written or (folder / name).is_file()
    }
