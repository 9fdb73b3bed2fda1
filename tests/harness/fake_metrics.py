"""What an export stage would add to the records of ``fake_records``: plausible numbers."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable

from fake_records import full_run, record

from harness.records import Record
from harness.report import metrics

#: technique -> share of int8 MACs, decibels to float, file size to float.
_USUAL: dict[str, tuple[float, float, float]] = {
    "float": (0.0, 140.0, 1.0),
    "qat-tfmot": (0.98, 24.0, 0.27),
    "qat-annotate": (0.93, 22.0, 0.28),
    "prune-tfmot": (0.0, 60.0, 1.0),
    "prune": (0.0, 60.0, 1.0),
}


def numbers(record: Record) -> dict[str, float]:
    """The metrics of an exported file; the same for the same case."""
    dice = random.Random(record.case)
    share, decibels, ratio = _USUAL.get(record.technique, (1.0, 30.0, 0.26))
    parameters = int(record.metrics.get("parameters") or 1_000_000)
    latency = 1.2e-6 * parameters
    int8_macs = min(1.0, share + dice.choice((0.0, 0.0, 0.0, 1.0)) * (1 - share)) if share else 0.0
    found = {
        "int8_ops": round(int8_macs * dice.uniform(0.9, 1.0), 4),
        "int8_macs": round(int8_macs, 4),
        "float_islands": 0 if int8_macs in (0.0, 1.0) else dice.randrange(1, 9),
        "sqnr_float_db": round(decibels * dice.uniform(0.5, 1.2), 2),
        "top1_agreement": round(1 - 0.1 * dice.random() * (share > 0), 3),
        "file_bytes": int(4 * parameters * ratio),
        "file_ratio": round(ratio * dice.uniform(0.97, 1.05), 4),
        "latency_ms": round(latency * (0.4 if share else 1.0) * dice.uniform(0.8, 1.3), 3),
        "latency_repeats": 50,
        "latency_load": 0.5,
        "float_latency_ms": round(latency, 3),
        "latency_ratio": round((0.4 if share else 1.0) * dice.uniform(0.8, 1.3), 3),
    }
    if share:
        found["sqnr_simulation_db"] = round(50 * dice.uniform(0.7, 1.2), 2)
        found["max_lsb"] = dice.choice((0, 1, 1, 2, 3, 17))
    if record.technique.startswith("prune"):
        found["sparsity"] = round(dice.uniform(0.45, 0.5), 4)
        found["pattern"] = 1.0
        found["unique_weights"] = dice.randrange(2, 257)
        found["deflated_ratio"] = round(ratio * dice.uniform(0.5, 0.6), 4)
        found["deflated_bytes"] = int(4 * parameters * found["deflated_ratio"])
    return found


def exported(records: Iterable[Record]) -> list[Record]:
    """The records as a run that also exports would leave them; failed cases have no file."""
    return [
        dataclasses.replace(r, metrics={**r.metrics, **numbers(r)}) if r.passed else r
        for r in records
    ]


#: The metrics that are in ``record.metrics``.
VALUED = (
    *(m.name for m in metrics.VOCABULARY if m.name not in metrics.OWN),
    metrics.IN_TURNS,
)

#: Values at the edges of what a metric may be, per application.
EDGES: dict[str, dict[str, object]] = {
    "None": {},
    "Zero": dict.fromkeys(VALUED, 0),
    "Tiny": dict.fromkeys(VALUED, 1.25e-5),
    "Small": dict.fromkeys(VALUED, 0.0271),
    "Round": dict.fromkeys(VALUED, 0.02),
    "Part": dict.fromkeys(VALUED, 0.99996),
    "One": dict.fromkeys(VALUED, 1),
    "Some": dict.fromkeys(VALUED, 12.3456),
    "Many": dict.fromkeys(VALUED, 4321.5),
    "Most": dict.fromkeys(VALUED, 123_456_789),
    "Less": dict.fromkeys(VALUED, -3.3),
    "Infinite": {**dict.fromkeys(VALUED, "inf"), "top1_agreement": True, "sparsity": "n/a"},
}


def edges() -> list[Record]:
    return [
        record(application, "qat", metrics=found, seconds=1.0, family="edges")
        for application, found in EDGES.items()
    ]


#: Families whose cases `two_runs` takes from an earlier run.
EARLIER = ("resnet", "vgg16", "regnet")


def two_runs() -> list[Record]:
    """Exported cases of two variants, some of them of another run, some weak, some lapsed."""
    taken = {"run_id": "20251201-000000-ffff", "date": "2025-12-01T00:00:00+00:00"}
    made = exported(full_run(("float", "qat", "qat-tfmot"), ("notop", "top")))
    found = [dataclasses.replace(r, reused=taken if r.family in EARLIER else None) for r in made]
    return [
        dataclasses.replace(r, metrics={**r.metrics, "top1_agreement": 0.375})
        if r.case in WEAK
        else r
        for r in found
    ]


WEAK = ("EfficientNetB6-qat-top", "VGG16-qat-top")
