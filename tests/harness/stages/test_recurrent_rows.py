"""Recurrent networks as rows of the matrix: every column of ours, to the numbers of the file."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import recurrent_applications

NETWORKS = [
    name
    for name, value in vars(recurrent_applications).items()
    if inspect.isfunction(value) and value.__module__ == "recurrent_applications"
]
COLUMNS = ("float", "qat", "ptq-int8", "prune", "cluster", "pqat", "cqat")

#: Signal to quantization noise in dB, of the file to the model that simulates it, and to float.
TO_SIMULATION, TO_FLOAT = 35.0, 20.0


@pytest.fixture(scope="module")
def rows(tmp_path_factory: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """The records of a run of `harness run`, by network and column."""
    folder: Path = tmp_path_factory.mktemp("rows")
    applications = ",".join(f"recurrent_applications:{name}" for name in NETWORKS)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "harness", "run", "-n", "2", "--variants", "top"),
            *("--applications", applications, "--techniques", ",".join(COLUMNS)),
            *("--results", str(folder / "results")),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    lines = (folder / "results" / "results.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return {(one["application"], one["technique"]): one for one in found}


def test_every_column_gets_through(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert len(NETWORKS) == 5
    assert set(rows) == {(network, column) for network in NETWORKS for column in COLUMNS}
    assert {(one["status"], one["stage"]) for one in rows.values()} == {("pass", "parity")}


@pytest.mark.parametrize("column", [c for c in COLUMNS if c not in ("float", "prune", "cluster")])
@pytest.mark.parametrize("network", NETWORKS)
def test_files_are_int8_and_what_was_simulated(
    rows: dict[tuple[str, str], dict[str, Any]], network: str, column: str
) -> None:
    metrics = rows[network, column]["metrics"]
    assert metrics["int8_ops"] == metrics["int8_macs"] == 1
    assert metrics["float_islands"] == 0
    if column != "ptq-int8":  # no model simulates it
        assert float(metrics["sqnr_simulation_db"]) >= TO_SIMULATION  # "inf", too
    if column in ("qat", "ptq-int8"):
        assert metrics["sqnr_float_db"] >= TO_FLOAT


@pytest.mark.parametrize("network", NETWORKS)
def test_recurrent_kernels_keep_zeros_and_values(
    rows: dict[tuple[str, str], dict[str, Any]], network: str
) -> None:
    for column in ("prune", "pqat"):
        assert rows[network, column]["metrics"]["sparsity"] == pytest.approx(0.5, abs=0.005)
    for column in ("cluster", "cqat"):
        assert rows[network, column]["metrics"]["unique_weights"] <= 16
