"""What a full run takes, from records: the arithmetic, and that the document says the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import records
from harness.cluster.estimate import BEGIN, END, Cost, costs, estimate, main, renewed, table
from harness.paths import PROJECT, REPORTS
from harness.records import Record

DOCUMENT = PROJECT / "docs" / "cluster.md"


def cost(seconds: float, peak: float = 0.0, case: str = "case") -> Cost:
    return Cost(case, seconds, peak, True)


def test_longest_first_on_few_cores() -> None:
    found = [cost(seconds) for seconds in (3, 5, 2, 2)]
    two = estimate(found, 2)
    assert (two.seconds, two.busy) == (7, 12 / 14)  # 5 + 2 and 3 + 2
    assert estimate(found, 1).seconds == 12
    assert estimate(found, 100).seconds == 5, "the longest case is the floor"


def test_memory_is_of_what_runs_at_once() -> None:
    found = [cost(4, 10), cost(3, 1), cost(1, 5)]
    assert estimate(found, 1).memory == 10
    assert estimate(found, 2).memory == 15, "the third starts as the second has ended"
    assert estimate(found, 3).memory == 16


def test_a_variant_without_a_record_is_taken_from_the_other(
    make_record: Callable[..., Record],
) -> None:
    def of(case: str, seconds: float, peak: int) -> Record:
        return make_record(case, seconds=seconds, peak_rss_bytes=peak)

    found = costs(
        [
            of("Net-float-notop", 10.0, 100),
            of("Net-float-top", 20.0, 300),
            of("Net-prune-notop", 50.0, 200),
            of("Other-prune-notop", 7.0, 70),
        ]
    )
    by_case = {one.case: (one.seconds, one.peak, one.is_known) for one in found}
    assert by_case == {
        "Net-float-notop": (10.0, 100, True),
        "Net-float-top": (20.0, 300, True),
        "Net-prune-notop": (50.0, 200, True),
        "Net-prune-top": (100.0, 600.0, False),
        "Other-prune-notop": (7.0, 70, True),
        "Other-prune-top": (7.0, 70.0, False),  # nothing tells how much longer
    }


def test_the_last_attempt_counts(make_record: Callable[..., Record]) -> None:
    twice = [make_record("Net-qat-top", seconds=s, peak_rss_bytes=1) for s in (99.0, 3.0)]
    assert [one.seconds for one in costs(twice, ["top"])] == [3.0]


def without_figures(text: str) -> str:
    """A run renews the records, not the document: its figures are those of the published run."""
    return re.sub(r"\d+ h \d+ min|\d+(\.\d+)?|`[^`]*`", "N", text).replace("N min", "N")


def test_the_document_has_what_the_command_prints() -> None:
    text = DOCUMENT.read_text()
    new = renewed(text, table(costs(records.read(REPORTS).records)))
    command = f"python -m harness.cluster.estimate --write {DOCUMENT.relative_to(PROJECT)}"
    assert without_figures(text) == without_figures(new), f"renew it: {command}"


def test_writing_renews_what_is_between_the_marks(
    tmp_path: Path, make_record: Callable[..., Record]
) -> None:
    file = tmp_path / "results.jsonl"
    records.write(file, [make_record("Net-qat-top", seconds=7200.0, peak_rss_bytes=2**30)])
    document = tmp_path / "doc.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert main(["--records", str(file), "--cores", "3", "--write", str(document)]) == 0
    text = document.read_text()
    assert text.startswith(f"before\n{BEGIN}\n| cores |")
    assert text.endswith(f"\n{END}\nafter\n")
    assert "| 3 | 2 h 00 min | 67% | 2 GiB |" in text
    assert "old" not in text
    with pytest.raises(ValueError, match="estimate: begin"):
        renewed("no marks", "new")
