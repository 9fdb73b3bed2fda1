"""A runtime without TensorFlow: units that end as the environment says."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.benchmark.definition.units import STAGES


def check() -> None:
    return None


def preload() -> None:
    return None


def run(request: Mapping[str, Any], report: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """Pass, or do what `FAKE_FAULTS` says of a case: `case=raise,case=sleep`."""
    faults = dict(one.split("=") for one in os.environ.get("FAKE_FAULTS", "").split(",") if one)
    for name in STAGES:
        report({"event": "start", "stage": name})
        if name == "train":
            _do(faults.get(request["case"], ""))
        report(
            {"event": "end", "stage": name, "seconds": 0.001, "cpu_seconds": 0.001, "metrics": {}}
        )
    if request["start"]:
        assert Path(request["start"]).exists()
    if request["keep"]:
        path = Path(request["keep"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("weights")
    whole = request["technique"] == "float"
    return {
        "accuracy": 0.98,
        "file_accuracy": 0.98 if whole else 0.97,
        "file_bytes": 1000 if whole else 250,
        "deflated_bytes": 900 if whole else 110,
        "latency_ms": 0.5,
    }


def _do(fault: str) -> None:
    if fault == "raise":
        raise ValueError("no <b>good</b>")
    if fault == "sleep":
        time.sleep(600)
