"""One tiny network through real units, in processes of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.benchmark.definition import applications, techniques, units
from harness.benchmark.definition.settings import DEFAULT
from harness.benchmark.execution.schedule import Plan, Schedule

FAKES = Path(__file__).with_name("fakes")

SETTINGS = replace(DEFAULT, epochs=2, tuning_epochs=1, calibration=32, latency_repeats=3)


def test_pcqat_keeps_zeros_and_values_down_to_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.syspath_prepend(str(FAKES))
    monkeypatch.chdir(tmp_path)
    asked = units.units(
        applications.select(["tiny_net:TinyNet"]), techniques.select(["pcqat"]), [2021]
    )

    def go(folder: str) -> dict[str, dict[str, object]]:
        plan = Plan(asked, SETTINGS, tmp_path / folder, 1, weights=tmp_path / "weights")
        found = Schedule(plan, print).run()
        assert {r.status for r in found.values()} == {"pass"}, found
        return {r.technique: dict(r.metrics) for r in found.values()}

    found = go("one")
    assert list(found) == ["float", "prune-75", "pcqat"]
    sparsity, unique = found["pcqat"]["kernel_sparsity"], found["pcqat"]["unique_weights"]
    assert isinstance(sparsity, float)
    assert sparsity >= 0.75 - 0.005
    assert isinstance(unique, int)
    assert 2 < unique <= 16
    whole, small = found["float"]["file_bytes"], found["pcqat"]["file_bytes"]
    assert isinstance(whole, int)
    assert isinstance(small, int)
    assert small < whole
    assert found["float"]["kernel_sparsity"] == 0

    again = go("two")
    for technique, metrics in found.items():
        same = {k: v for k, v in metrics.items() if not k.startswith("latency")}
        assert same == {k: again[technique][k] for k in same}, "the seed decides"
