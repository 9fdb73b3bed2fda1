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
