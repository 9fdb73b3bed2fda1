"""A history: what changed night by night, in few bytes."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fake_metrics import exported
from fake_records import full_run

from harness import records
from harness.changes.compare import between
from harness.cli.main import main
from harness.history import feed, page, store, timeline
from harness.history.store import History
from harness.records import Record, latest
from harness.vocabulary import UsageError

NIGHTS = [f"2026-01-{day:02}" for day in range(1, 31)]
CASE = "VGG16-qat-annotate-notop"


def run() -> list[Record]:
    return list(latest(exported(full_run())).values())


def noisy(found: Iterable[Record], seed: int) -> list[Record]:
    """The same run on another night: times differ, nothing else does."""
    dice = random.Random(seed)
    noise = {"latency_ms": 0.2, "latency_ratio": 0.1}
    return [
        dataclasses.replace(
            r,
            metrics={
                k: v * dice.uniform(1 - noise[k], 1 + noise[k]) if k in noise else v
                for k, v in r.metrics.items()
            },
        )
        for r in found
    ]


def changed(found: Iterable[Record], case: str, **numbers: float) -> list[Record]:
    return [
        dataclasses.replace(r, metrics={**r.metrics, **numbers}) if r.case == case else r
        for r in found
    ]


def failing(found: Iterable[Record], case: str) -> list[Record]:
    return [
        dataclasses.replace(r, status="fail", stage="train", label="crash", metrics={})
        if r.case == case
        else r
        for r in found
    ]


@pytest.fixture
def keep(tmp_path: Path) -> Callable[..., int]:
    def add(night: str, found: Iterable[Record]) -> int:
        known = store.read(tmp_path, "pinned")
        return store.append(tmp_path, "pinned", store.next_night(known, found, night))

    return add


def read(folder: Path) -> History:
    return store.read(folder, "pinned")


def test_a_night_without_changes_takes_a_line_whatever_the_noise(
    keep: Callable[..., int], tmp_path: Path
) -> None:
    first = keep(NIGHTS[0], run())
    assert first < 400 * len(run())
    sizes = [keep(night, noisy(run(), i)) for i, night in enumerate(NIGHTS[1:])]
    assert max(sizes) < 80
    assert len(read(tmp_path).nights) == len(NIGHTS)
    assert not between(read(tmp_path).state(), latest(run())).cases


def test_a_change_takes_one_row_and_its_way_back_another(
    keep: Callable[..., int], tmp_path: Path
) -> None:
    before = run()
    was = next(r for r in before if r.case == CASE).metrics["sqnr_float_db"]
    keep(NIGHTS[0], before)
    assert keep(NIGHTS[1], changed(before, CASE, sqnr_float_db=was - 12)) < 600
    keep(NIGHTS[2], changed(before, CASE, sqnr_float_db=was - 12))
    keep(NIGHTS[3], before)
    keep(NIGHTS[4], failing(before, CASE))
    keep(NIGHTS[5], [r for r in before if r.case != CASE])
    found = timeline.of_case(read(tmp_path), CASE)
    assert [(p.night, p.after.way, p.after.words) for p in found] == [
        (NIGHTS[0], "=", ()),
        (NIGHTS[1], "-", ("sqnr",)),
        (NIGHTS[3], "+", ("sqnr",)),
        (NIGHTS[4], "-", ("status",)),
        (NIGHTS[5], "=", ("removed",)),
    ]
    assert found[1].says == f"SQNR vs. float {was:.1f} dB → {was - 12:.1f} dB"
    assert found[3].says == "pass → fail in train: crash"
    assert CASE not in read(tmp_path).state()


def test_slow_drift_is_a_change_once_it_adds_up(keep: Callable[..., int], tmp_path: Path) -> None:
    before = changed(run(), CASE, sqnr_float_db=30.0)
    for i, night in enumerate(NIGHTS[:5]):
        keep(night, changed(before, CASE, sqnr_float_db=30.0 - 0.4 * i))
    (_, drift) = timeline.of_case(read(tmp_path), CASE)
    assert drift.night == NIGHTS[3]
    assert drift.after.numbers["sqnr_float_db"] == 28.8


def test_a_column_has_a_count_for_every_night(keep: Callable[..., int], tmp_path: Path) -> None:
    before = run()
    keep(NIGHTS[0], before)
    keep(NIGHTS[1], failing(before, CASE))
    keep(NIGHTS[2], before)
    counts = timeline.columns(read(tmp_path))["qat-annotate", "notop"]
    first = counts[0].passed
    assert [c.passed for c in counts] == [first, first - 1, first]
    assert [(c.worse, c.better) for c in counts] == [(0, 0), (1, 0), (0, 1)]


def test_what_a_stopped_writer_left_is_cut_off(keep: Callable[..., int], tmp_path: Path) -> None:
    keep(NIGHTS[0], run())
    path = store.file_of(tmp_path, "pinned")
    whole = path.read_bytes()
    rows = store.next_night(read(tmp_path), failing(run(), CASE), NIGHTS[1]).lines()
    for torn in (rows[: len(rows) // 4], rows.splitlines(keepends=True)[0]):
        path.write_bytes(whole + torn.encode())
        assert len(read(tmp_path).nights) == 1
        keep(NIGHTS[1], failing(run(), CASE))
        assert path.read_bytes() == whole + rows.encode()


@pytest.mark.parametrize("text", ["{}\n", "no\n", '{"night":"2026-01-01","cases":1}\n'])
def test_another_file_is_no_history(text: str, tmp_path: Path) -> None:
    (tmp_path / "pinned.jsonl").write_text(text)
    with pytest.raises(UsageError, match=r"pinned\.jsonl:1 is no line of a history"):
        read(tmp_path)


@pytest.mark.parametrize("night", ["2026-01-01", "2025-12-31", "soon"])
def test_nights_go_forward(night: str, keep: Callable[..., int]) -> None:
    keep("2026-01-01", run())
    with pytest.raises(UsageError):
        keep(night, run())


def test_what_was_skipped_is_as_it_was(keep: Callable[..., int], tmp_path: Path) -> None:
    keep(NIGHTS[0], run())
    skipped = [
        dataclasses.replace(r, status="skipped", stage="build", label="not-installed", metrics={})
        if r.technique == "prune"
        else r
        for r in run()
    ]
    assert keep(NIGHTS[1], skipped) < 80
    assert read(tmp_path).state()["VGG16-prune-notop"].passed


def test_the_feed_has_an_entry_for_each_night_of_regressions(
    keep: Callable[..., int], tmp_path: Path
) -> None:
    keep(NIGHTS[0], run())
    keep(NIGHTS[1], failing(run(), CASE))
    keep(NIGHTS[2], run())
    keep(NIGHTS[3], changed(run(), CASE, file_bytes=10**9))
    written = feed.atom([read(tmp_path)], "https://example.org/matrix/")
    root = ElementTree.fromstring(written)
    name = "{http://www.w3.org/2005/Atom}"
    entries = root.findall(f"{name}entry")
    assert [e.findtext(f"{name}updated") for e in entries] == [
        "2026-01-04T00:00:00Z",
        "2026-01-02T00:00:00Z",
    ]
    assert CASE in (entries[1].findtext(f"{name}content") or "")
    ids = [e.findtext(f"{name}id") for e in entries]
    assert len(set(ids)) == 2
    again = ElementTree.fromstring(feed.atom([read(tmp_path)]))
    assert [e.findtext(f"{name}id") for e in again.findall(f"{name}entry")] == ids
    for needed in ("id", "title", "updated", "author"):
        assert root.find(f"{name}{needed}") is not None


def test_the_page_shows_columns_and_nights_without_a_script(
    keep: Callable[..., int], tmp_path: Path
) -> None:
    keep(NIGHTS[0], run())
    keep(NIGHTS[1], changed(run(), CASE, top1_agreement=0.1))
    written = page.html([read(tmp_path)])
    assert "<script" not in written
    assert f'id="pinned-{NIGHTS[1]}"' in written
    assert "top-1 agreement" in written
    assert written.count("<svg") == len(timeline.columns(read(tmp_path)))
    assert len(written) < 100_000


def test_the_command_adds_a_night_once_and_compares_with_the_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, site = tmp_path / "kept", tmp_path / "site"
    site.mkdir()

    def night(found: Iterable[Record], when: str) -> None:
        dated = [dataclasses.replace(r, started=f"{when}T02:17:00+00:00") for r in found]
        records.write(site / "results.jsonl", dated)

    night(run(), NIGHTS[0])
    for _ in range(2):
        assert main(["history", str(kept), "--add", str(site)]) == 0
    assert "there already" in capsys.readouterr().out
    night(failing(run(), CASE), NIGHTS[1])
    against = ["report", str(site), "-o", str(site), "--against", str(kept / "pinned.jsonl")]
    assert main([*against, "--exit-code", "metrics"]) == 1
    assert CASE in capsys.readouterr().out
    assert main(["history", str(kept), "--add", str(site), "-o", str(site)]) == 0
    assert (site / feed.NAME).is_file()
    assert (site / page.NAME).is_file()
    assert main(["history", str(kept), "--case", CASE]) == 0
    assert "pass → fail in train: crash" in capsys.readouterr().out
    assert main(["history", str(kept), "--case", "VGG61-qat-notop"]) == 2
    assert "did you mean" in capsys.readouterr().err
    assert main(["history", str(kept), "--column", "qat-annotate"]) == 0
    assert "1 worse, 0 better" in capsys.readouterr().out
