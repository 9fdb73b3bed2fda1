"""A runtime for checks that needs no TensorFlow: the name of the file says what happens."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from optim.errors import Problem, UntrustedFileError


class ExportError(RuntimeError):
    """As `optim.ExportError`, which says of each layer what to do."""


def check() -> None:
    return None


def preload() -> None:
    return None


def group(request: Mapping[str, Any]) -> str:
    return "one"


FIGURES = {
    "float": {"file_bytes": 4_000_000, "sqnr_float_db": 130.0, "latency_ms": 8.0, "int8_ops": 0.0},
    "ptq-int8": {
        "file_bytes": 1_100_000, "file_ratio": 0.275, "sqnr_float_db": 31.0, "int8_ops": 0.98,
        "latency_ms": 3.2, "latency_ratio": 0.4, "float_islands": 1, "top1_agreement": 0.97,
    },
    "ptq-dynamic": {
        "file_bytes": 1_200_000, "file_ratio": 0.3, "sqnr_float_db": 38.0, "latency_ms": 8.0,
        "latency_ratio": 1.0, "int8_ops": 0.0,
    },
}  # fmt: skip


def run(request: Mapping[str, Any], report: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    technique, name = request["technique"], Path(request["source"]["path"]).stem
    facts: dict[str, Any] = {}

    def go(stage: str, **metrics: Any) -> None:
        report({"event": "start", "stage": stage})
        if (name, technique, stage) == ("untrusted", "float", "build"):
            raise UntrustedFileError("m.keras", [Problem("evil", "has Python code", "replace it")])
        if (name, technique, stage) in {
            ("broken", "float", "export"),
            ("partly", "ptq-int8", "export"),
        }:
            raise ExportError(f"operation FFT of layer spectrum has no kernel in {technique}")
        if (name, technique) == ("hungry", "ptq-int8"):
            import os

            os.abort()
        times = {"seconds": 1.0, "cpu_seconds": 1.0}
        report({"event": "end", "stage": stage, "metrics": metrics, **times})

    if request.get("layers"):
        go("build")
        facts = LAYERS
    else:
        known = {"parameters": 1_000_000, "layers": 12, "data": "32 made up: noise", "rough": True}
        known |= {"inputs": [{"name": "image", "shape": [8, 8, 3], "dtype": "float32"}]}
        go("build", **known)
        go("export", **known)
        go("run", **known, **FIGURES.get(technique, {}))
        if technique == "ptq-int8":
            island = {"layers": ["act_<b>"], "operations": ["ELU"], "conversions": 2, "macs": 0}
            facts = {"islands": [{**island, "position": "inside"}]}
        if request["keep"]:
            Path(request["keep"], request["file"]).write_bytes(b"TFL3")
    Path(request["facts"]).write_text(json.dumps(facts))
    return {**known, **FIGURES.get(technique, {})} if not request.get("layers") else {}


LAYERS = {
    "why_not": {"sparsity": "because of <this>"},
    "plan": [
        {
            "layer": "conv", "class": "Conv2D", "group": 1, "weights": "kernel: int8",
            "output": "int8", "reason": "kernel is quantized", "float": False,
        },
        {
            "layer": "act_<b>", "class": "Activation", "group": 2, "weights": "", "output": "-",
            "reason": "no int8 kernel", "float": True,
        },
    ],
    "errors": [
        {
            "layer": "conv", "order": 1.0, "class": "Conv2D", "local_sqnr": 20.0, "sqnr": 12.0,
            "weight_sqnr": 40.0, "effective_bits": 7.5, "saturated": 0.01,
        },
        {
            "layer": "dense", "order": 2.0, "class": "Dense", "local_sqnr": None, "sqnr": None,
            "weight_sqnr": None, "effective_bits": None, "saturated": None,
        },
    ],
}  # fmt: skip
