"""The summary of a run in a terminal."""

from __future__ import annotations

import re
import unicodedata

import pytest
from fake_records import full_run, record, with_surprises

from harness.report.terminal import summary


def test_names_totals_labels_and_surprises() -> None:
    text = summary(with_surprises(full_run()), width=100)
    lines = text.splitlines()
    assert re.match(r"float +70/71 +█+░+ +1 fail$", lines[0])
    assert re.match(r"qat-tfmot +10/71 .*59 fail  1 timeout  1 blocked$", lines[1])
    assert "    67  unsupported-layer: Rescaling, LayerScale, TFOpLambda" in lines
    at = lines.index("! regressions (1)")
    assert lines[at + 1] == "  VGG16-prune-notop  fail in train: not-finite, was pass"
    assert lines[-1].startswith("1 regression, 1 newly passing")


def test_a_run_as_expected_ends_with_that_word() -> None:
    assert summary(full_run(), width=80).splitlines()[-1] == "As expected"
    assert summary([], width=80) == "No case was run\n"


@pytest.mark.parametrize("width", [40, 60, 80, 132])
def test_fits_the_width(width: int) -> None:
    text = summary(with_surprises(full_run()), width=width)
    for line in text.splitlines():
        if "-notop" not in line and not line[:1].isdigit():  # names are never shortened
            assert len(line) <= width, line


def test_colour_only_when_asked_and_never_the_only_sign() -> None:
    records = with_surprises(full_run())
    plain, colored = summary(records, width=90), summary(records, width=90, color=True)
    assert "\x1b" not in plain
    assert "\x1b[31m! regressions (1)\x1b[0m" in colored
    assert re.sub(r"\x1b\[\d+m", "", colored) == plain


def test_records_cannot_drive_the_terminal() -> None:
    evil = "\x1b[2J\r\n\x07漢字"
    text = summary([record(evil, evil, label=evil, status="fail", blocker=evil,
                           expectation="regression")], width=60)  # fmt: skip
    assert not [c for c in text if unicodedata.category(c) == "Cc" and c != "\n"]


def test_long_lists_are_cut() -> None:
    records = [record(f"A{i}", expectation="regression", status="fail", label="x",
                      expected={"status": "pass", "stage": "save", "label": None})
               for i in range(50)]  # fmt: skip
    assert "  ... and 30 more" in summary(records, width=80)


def test_variants_are_told_apart() -> None:
    lines = summary(full_run(("float",), ("notop", "top")), width=80).splitlines()
    assert [line.split()[:2] for line in lines[:2]] == [["float", "notop"], ["float", "top"]]
