"""From records to figures, targets, plots, page and CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest

from harness.benchmark.definition.techniques import TECHNIQUES
from harness.benchmark.report import figures, page, table, targets
from harness.benchmark.report.figures import Row, Spread
from harness.benchmark.report.plots import canvas, labels, marks, plots, scales
from harness.records import Failure, Record
from harness.records.kinds import read
from harness.report import text
from optim.sparsity.distinct import MANY

MakeRecord = Callable[..., Record]

#: The records of the reference run.
REFERENCE = Path(__file__).parents[3] / "reports" / "bench"


@pytest.fixture
def three(make_record: MakeRecord) -> list[Record]:
    """Two techniques over three seeds, of which qat fails one."""
    found = []
    for seed, whole, small in ((1, 0.98, 0.97), (2, 0.99, 0.99), (3, 0.97, 0.0)):
        found.append(
            make_record("Net", "float", seed, accuracy=whole, file_accuracy=whole, file_bytes=1000)
        )
        status = "pass" if small else "fail"
        metrics = {"accuracy": small, "file_accuracy": small - 0.01} if small else {}
        figures_ = {"file_bytes": 250, "deflated_bytes": 100, "latency_ms": 0.5 * seed}
        found.append(make_record("Net", "qat", seed, status, **metrics, **figures_))
    return found


def row_of(found: list[Record], technique: str) -> Row:
    return next(r for r in figures.rows(found) if r.technique == technique)


# -- figures ---------------------------------------------------------------------------


def test_figures_are_of_the_seeds_that_passed(three: list[Record]) -> None:
    row = row_of(three, "qat")
    assert (row.repeats, row.failed) == (2, 1)
    assert row.failures == ("3: fail at train",)
    assert row.accuracy is not None
    assert row.accuracy.mean == pytest.approx(98.0)
    assert row.accuracy.deviation == pytest.approx(2**0.5)


def test_a_change_is_against_the_float_model_of_the_same_seed(three: list[Record]) -> None:
    row = row_of(three, "qat")
    assert row.change is not None
    assert row.change.values == pytest.approx((-1.0, 0.0))
    assert row.file_change is not None
    assert row.file_change.values == pytest.approx((-2.0, -1.0))


def test_sizes_are_shares_of_the_float_file(three: list[Record]) -> None:
    row = row_of(three, "qat")
    assert row.ratio == Spread((0.25, 0.25))
    assert row.deflated_ratio == Spread((0.1, 0.1))


def test_one_seed_has_no_deviation_and_no_float_no_change(make_record: MakeRecord) -> None:
    (row,) = figures.rows([make_record("Net", "qat", accuracy=0.5)])
    assert row.accuracy is not None
    assert row.accuracy.deviation is None
    assert row.change is None
    assert row.ratio is None


def test_the_last_record_counts_and_only_those_of_the_benchmark(make_record: MakeRecord) -> None:
    first, last = (make_record("Net", "qat", accuracy=a) for a in (0.1, 0.9))
    other = replace(first, case="Net-qat-notop", variant="notop")
    (row,) = figures.rows([first, last, other])
    assert row.accuracy == Spread((90.0,))


@pytest.mark.parametrize("value", [None, "NaN", float("nan"), True, [1]])
def test_a_figure_that_is_no_number_is_none(make_record: MakeRecord, value: Any) -> None:
    (row,) = figures.rows([make_record("Net", "qat", accuracy=value)])
    assert row.accuracy is None


# -- targets ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "verdict"), [(-0.01, "met"), (0.0, "met"), (0.005, "met"), (0.0051, "missed")]
)
def test_qat_may_lose_half_a_point(make_record: MakeRecord, loss: float, verdict: str) -> None:
    found = [
        make_record("Net", "float", accuracy=0.98),
        make_record("Net", "qat", accuracy=0.2, file_accuracy=0.98 - loss),
    ]
    assert targets.judge(figures.rows(found))[0].verdict == verdict


def test_one_application_that_misses_is_enough(make_record: MakeRecord) -> None:
    found = []
    for name, size in (("A", 119), ("B", 121), ("C", 150)):
        found.append(make_record(name, "float", file_bytes=1000))
        found.append(make_record(name, "pcqat", deflated_bytes=size))
    judged = targets.judge(figures.rows(found))[3]
    assert judged.verdict == "missed"
    assert judged.worst == ("C", 0.15)
    assert [name for name, _ in judged.missed] == ["C", "B"]


def test_a_target_of_what_failed_is_missed_and_of_what_is_absent_unknown(
    make_record: MakeRecord,
) -> None:
    judged = targets.judge(figures.rows([make_record("A", "qat", status="fail")]))
    assert [one.verdict for one in judged] == ["missed", "unknown", "unknown", "unknown"]
    assert judged[0].unknown == ("A",)


def test_what_is_asked_for_is_told_in_good_english() -> None:
    assert [one.most for one in targets.TARGETS] == [
        "0.5 points lost",
        "1 point lost",
        "1.5 points lost",
        "0.12 of the float file",
    ]


# -- plots -----------------------------------------------------------------------------


def test_every_technique_has_a_shape_of_its_own() -> None:
    shapes = [marks.MARKS[one.id][0] for one in TECHNIQUES]
    assert len(set(shapes)) == len(shapes) == 12
    assert set(shapes) <= set(marks.SHAPES)


def crowd(make_record: MakeRecord) -> list[Record]:
    return [
        make_record(
            "Net", one.id, file_accuracy=0.97 + i / 5000, file_bytes=500 + 3 * i, latency_ms=0.1
        )
        for i, one in enumerate(TECHNIQUES)
    ]


def assert_legible(texts: Sequence[labels.Label], places: Sequence[tuple[float, float]]) -> None:
    """Each label is clear of the others and of the markers, and it shows whose it is."""
    gap = 2.99  # of three, but for rounding
    markers = [(x - gap - 5, y - gap - 5, x + gap + 5, y + gap + 5) for x, y in places]
    for label, (x, y) in zip(texts, places, strict=True):
        left, top, right, bottom = label.box
        assert canvas.LEFT < left < right < canvas.WIDTH
        assert 0 < top < bottom < canvas.HEIGHT - canvas.BOTTOM
        assert not any(overlap(label.box, marker) for marker in markers)
        if not label.leads:
            assert left - 10 < x < right + 10, "beside its marker"
            assert top - 10 < y < bottom + 10
    for a, b in combinations([label.box for label in texts], 2):
        assert not overlap((a[0] - gap, a[1] - gap, a[2] + gap, a[3] + gap), b)


def overlap(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@pytest.mark.parametrize("axis", plots.AXES[1:], ids=lambda a: a.id)
def test_labels_of_a_crowd_do_not_cover_each_other(
    make_record: MakeRecord, axis: plots.Axis
) -> None:
    (panel,) = plots.panels(figures.rows(crowd(make_record)), axis)
    for p in panel.points:
        assert canvas.LEFT <= p.x <= canvas.WIDTH - canvas.RIGHT
        assert canvas.TOP <= p.y <= canvas.HEIGHT - canvas.BOTTOM
    assert_legible([p.label for p in panel.points], [(p.x, p.y) for p in panel.points])


@pytest.mark.parametrize("axis", plots.AXES, ids=lambda a: a.id)
def test_labels_of_the_reference_run_do_not_cover_each_other(axis: plots.Axis) -> None:
    panels = plots.panels(figures.rows(read([REFERENCE])), axis)
    assert panels
    for panel in panels:
        assert_legible([p.label for p in panel.points], [(p.x, p.y) for p in panel.points])


@pytest.mark.parametrize("x", [canvas.LEFT + 6, canvas.WIDTH / 2, canvas.WIDTH - canvas.RIGHT - 6])
@pytest.mark.parametrize("y", [canvas.TOP, canvas.HEIGHT / 2, canvas.HEIGHT - canvas.BOTTOM - 6])
def test_twelve_points_at_one_spot_have_twelve_labels(x: float, y: float) -> None:
    places = [(x, y)] * len(TECHNIQUES)
    texts = labels.place(places, [one.id for one in TECHNIQUES])
    assert_legible(texts, places)
    assert sum(label.leads for label in texts) >= 8, "no more than four find room beside it"
    ends = [(label.x, label.y) for label in texts if label.leads]
    assert len(set(ends)) == len(ends)


def test_a_name_too_long_for_a_panel_stands_above_its_marker() -> None:
    (label,) = labels.place([(200.0, 100.0)], ["x" * 100])
    assert (label.x, label.anchor, label.leads) == (200.0, "middle", False)
    assert label.box[3] < 95


def test_a_label_keeps_off_error_bars_where_it_can() -> None:
    right, left = (215.0, 50.0, 215.0, 150.0), (185.0, 50.0, 185.0, 150.0)
    for bars, anchor in (((right,), "end"), ((left,), "start"), ((right, left), "middle")):
        (label,) = labels.place([(200.0, 100.0)], ["qat"], bars)
        assert (label.anchor, label.leads) == (anchor, False)


def test_lines_lead_from_markers_to_labels(make_record: MakeRecord) -> None:
    found = crowd(make_record)
    panels = [p for axis in plots.AXES for p in plots.panels(figures.rows(found), axis)]
    leading = sum(p.label.leads for panel in panels for p in panel.points)
    assert leading
    assert page.html(found).count('class="leads"') == leading


def assert_readable(ticks: Sequence[scales.Tick]) -> None:
    assert 3 <= len(ticks) <= 6
    assert len({tick.text for tick in ticks}) == len(ticks)
    for a, b in pairwise(ticks):
        assert b.at - a.at > canvas.CHARACTER * (len(a.text) + len(b.text)) / 2 + 5


@pytest.mark.parametrize("axis", plots.AXES, ids=lambda a: a.id)
def test_axes_of_the_reference_run_have_three_ticks_or_more(axis: plots.Axis) -> None:
    for panel in plots.panels(figures.rows(read([REFERENCE])), axis):
        assert_readable(panel.x_ticks)


@pytest.mark.parametrize("axis", plots.AXES[1:], ids=lambda a: a.id)
@pytest.mark.parametrize("width", [1.0, 1.01, 1.3, 1.6, 2, 3, 5, 8, 12, 40, 150, 1e3, 1e5, 1e7])
def test_an_axis_of_any_extent_has_three_ticks_or_more(
    make_record: MakeRecord, axis: plots.Axis, width: float
) -> None:
    least = 0.003 if axis.id == "latency" else 1000.0
    for start in (1.0, 1.2, 1.9, 2.6, 3.7, 5.1, 7.3, 8.4, 9.6):
        small, large = least * start, least * start * width
        found = [
            make_record("Net", "float", file_accuracy=0.9, file_bytes=large, latency_ms=large),
            make_record("Net", "qat", file_accuracy=0.8, file_bytes=small, latency_ms=small),
        ]
        (panel,) = plots.panels(figures.rows(found), axis)
        assert_readable(panel.x_ticks)


def test_ticks_are_told_without_digits_that_say_nothing(make_record: MakeRecord) -> None:
    found = figures.rows([make_record("Net", "qat", file_accuracy=0.9, latency_ms=0.07)])
    (panel,) = plots.panels(found, plots.AXES[2])
    assert "0.07 ms" in [tick.text for tick in panel.x_ticks]


def test_better_is_higher_and_larger_is_further_right(make_record: MakeRecord) -> None:
    found = [
        make_record("Net", "float", file_accuracy=0.9, file_bytes=1000),
        make_record("Net", "qat", file_accuracy=0.8, file_bytes=250),
    ]
    (panel,) = plots.panels(figures.rows(found), plots.AXES[1])
    a, b = panel.points
    assert a.y < b.y
    assert a.x > b.x
    assert 2 <= len(panel.y_ticks) <= 7
    assert 3 <= len(panel.x_ticks) <= 6


@pytest.mark.parametrize(
    ("values", "write", "told"),
    [
        ((0.952, 1.0), text.milliseconds, "0.98 ± 0.03"),  # not 0.0339: no more than it means
        ((12.0, 12.01), text.milliseconds, "12.0 ± 0.0"),
        ((0.95,), text.milliseconds, "0.95"),
        ((0.0186, 0.0194), text.milliseconds, "0.0190 ± 0.0006"),
        ((0.0188, 0.0196), text.milliseconds, "0.0192 ± 0.0006"),
        ((1_000_000, 1_100_000), text.size, "1.05 MB ± 70.7 kB"),
        ((-1.0, -2.0), plots.signed, "−1.5 ± 0.7"),
    ],
)
def test_a_deviation_has_the_digits_of_its_mean(values: Any, write: Any, told: str) -> None:
    assert plots.spread(Spread(values), write) == told


@pytest.mark.parametrize("accuracy", [0.0, 0.5, 1.0])
def test_a_single_point_has_a_panel(make_record: MakeRecord, accuracy: float) -> None:
    found = figures.rows([make_record("Net", "qat", file_accuracy=accuracy, latency_ms=0.01)])
    (panel,) = plots.panels(found, plots.AXES[2])
    assert canvas.TOP <= panel.points[0].y <= canvas.HEIGHT - canvas.BOTTOM


@pytest.mark.parametrize(
    ("shares", "ends", "told"),
    [
        ((0.2, 0.8, 0.99), (25.1, 100), ["100"]),
        ((0.0, 0.0, 0.6), (0, 54.6), ["0"]),
        ((0.0, 0.0, 1.0, 1.0, 1.0, 0.0), (0, 100), ["0", "100"]),
        ((0.5, 0.6, 0.7), (50, 70), []),
        ((1.0, 1.0, 1.0), (100, 100), []),
    ],
)
def test_error_bars_end_where_accuracy_does_and_say_so(
    make_record: MakeRecord, shares: Any, ends: Any, told: list[str]
) -> None:
    found = [
        make_record("Net", "qat", seed, file_accuracy=share, file_bytes=9)
        for seed, share in enumerate(shares)
    ]
    (panel,) = plots.panels(figures.rows(found), plots.AXES[1])
    (point,) = panel.points
    bottom, top = panel.y_ticks[0], panel.y_ticks[-1]
    per_percent = (top.at - bottom.at) / (float(top.text) - float(bottom.text))
    shown = [
        float(bottom.text) + (y - bottom.at) / per_percent for y in (point.y_low, point.y_high)
    ]
    assert shown == pytest.approx(ends, abs=0.06)
    assert re.findall(r"error bar cut off at (\d+) %", point.title) == told


def test_points_carry_their_sign() -> None:
    assert [plots.signed(v) for v in (0.0, -0.01, 1.25, -2.0)] == ["+0.0", "+0.0", "+1.2", "−2.0"]


# -- page and CSV ----------------------------------------------------------------------


def test_the_page_has_every_figure(three: list[Record]) -> None:
    written = page.html(three)
    assert "98.0 ± 1.4" in written
    assert "−1.5 ± 0.7" in written
    assert "3: fail at train" in written
    assert written.count('class="panel"') == 3, "by size, deflated and as it is, and by latency"


def test_the_page_needs_no_network_and_runs_only_its_own_script(three: list[Record]) -> None:
    written = page.html(three)
    assert not re.search(r"""(src|href)=["'](https?:)?//""", written)
    assert "default-src 'none'" in written
    assert written.count("<script>") == 1
    assert written.count("<script") == 2, "the other holds data"


def test_foreign_text_is_escaped(make_record: MakeRecord) -> None:
    bad = "<script>alert(1)</script>"
    record = replace(
        make_record(bad, bad, status="fail"),
        failure=Failure(type=bad, message=bad),
        environment={"python": bad},
        repro=bad,
        label=bad,
    )
    good = make_record(bad, "float", file_accuracy=1.0, file_bytes=5, deflated_bytes=3)
    written = page.html([record, good])
    assert bad not in written
    assert "&lt;script&gt;" in written


@pytest.mark.parametrize(
    ("counts", "shown"), [((None, None), ">1024"), ((900, None), ">1024"), ((16, 18), "17")]
)
def test_more_weights_than_are_counted_are_told(
    make_record: MakeRecord, counts: Any, shown: str
) -> None:
    found = [make_record("Net", "float", s, unique_weights=n) for s, n in enumerate(counts)]
    (group,) = page._table(figures.rows(found))
    assert group["rows"][0]["unique"] == shown
    assert figures.COUNTED == MANY


def test_nothing_is_told_of_weights_that_no_record_counts(make_record: MakeRecord) -> None:
    (group,) = page._table(figures.rows([make_record("Net", "float")]))
    assert group["rows"][0]["unique"] == ""


def test_the_reference_run_tells_of_unique_weights_everywhere() -> None:
    groups = page._table(figures.rows(read([REFERENCE])))
    assert all(row["unique"] for group in groups for row in group["rows"] if row["repeats"])


def test_an_empty_page_is_a_page() -> None:
    assert "No unit has a file yet" in page.html([])


def test_points_can_be_reached_and_read_without_a_mouse(three: list[Record]) -> None:
    written = page.html(three)
    points = re.findall(r'<g class="point [^>]*>', written)
    assert points
    assert all("aria-label=" in p for p in points)
    assert "tabindex" not in "".join(points), "the script makes one stop of a row of panels"


OUTLIERS = [97.1, 97.3, 97.8, 98.0, 98.2, 98.4]


def test_one_outlier_does_not_crush_an_axis() -> None:
    low, high = scales.linear([*OUTLIERS, 31.0])
    assert 90 < low < min(OUTLIERS)
    assert max(OUTLIERS) < high
    sizes = [1e5, 1.2e5, 1.3e5, 1.5e5, 2e5, 4e5]
    assert scales.logarithmic([*sizes, 9e8])[1] < 1e6
    assert scales.logarithmic(sizes)[1] > 4e5, "four times as much is no outlier"


def test_what_is_far_is_few_and_close_values_all_have_their_place() -> None:
    spread = [90.0, 92.0, 95.0, 97.0, 97.5, 97.6, 97.7, 97.8]
    low, high = scales.linear(spread)
    assert low < 94.0 < 97.8 < high
    assert scales.linear([50.0, 97.0, 98.0])[0] < 50, "of three none is an outlier"


def test_a_point_beyond_the_axes_stands_at_the_edge_and_says_so() -> None:
    def row(name: str, percent: float) -> Row:
        one = Spread((percent,))
        return Row("Net", "net", name, 1, 0, file_accuracy=one, deflated=Spread((1e5,)))

    rows = [row(f"t{i}", value) for i, value in enumerate([*OUTLIERS, 31.0])]
    (panel,) = plots.panels(rows, plots.AXES[0])
    far = panel.points[-1]
    assert far.path == marks.FAR
    assert far.title.endswith("beyond the axes")
    assert "31.0 %" in far.title
    assert far.y == pytest.approx(canvas.HEIGHT - canvas.BOTTOM)
    assert all(p.path != marks.FAR for p in panel.points[:-1])


def test_mixed_settings_are_told(make_record: MakeRecord) -> None:
    one, two = (make_record("Net", "qat", seed) for seed in (1, 2))
    two = replace(two, environment={**two.environment, "epochs": 1})
    assert "different settings" in page.html([one, two])
    assert "different settings" not in page.html([one])


def test_the_csv_has_a_line_per_application_and_technique(three: list[Record]) -> None:
    found = list(csv.DictReader(io.StringIO(table.to_csv(figures.rows(three)))))
    assert [(r["technique"], r["repeats"], r["failed"]) for r in found] == [
        ("float", "3", "0"),
        ("qat", "2", "1"),
    ]
    assert float(found[1]["file_change"]) == pytest.approx(-1.5)
    assert found[1]["sparsity"] == ""
