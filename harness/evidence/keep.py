"""Keeping what a case made, in a folder that outlives it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from harness.evidence import node_data

if TYPE_CHECKING:
    from harness.stages.workbench import Bench

MODEL, FLOAT = "model.tflite", "float.tflite"
SQNR, KINDS = "node-data-sqnr.json", "node-data-kinds.json"


def keep(bench: Bench, folder: Path) -> None:
    """Copy the file of a case, the float model's beside it, and numbers for the layers.

    Nothing of a case that made no file. What cannot be compared is left out, and said so.
    """
    if not bench.file.is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(bench.file, folder / MODEL)
    kinds = node_data.kinds(bench.file)
    (folder / KINDS).write_text(node_data.words("computes with", kinds), encoding="utf-8")
    try:
        base = bench.foundation.float_file(bench)
        if base is None:
            return
        shutil.copyfile(base, folder / FLOAT)
        values = node_data.layer_sqnr(bench.file, base, bench.samples)
    except Exception as error:
        print(f"no numbers for the layers: {type(error).__name__}: {error}")
        return
    (folder / SQNR).write_text(node_data.gradient("SQNR, dB", values), encoding="utf-8")
