"""The environment a run happens in: what a record says of versions and machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import psutil

from harness.matrix.keras_package import distribution_version, keras_module
from harness.paths import PROJECT

#: Distributions whose version a record states, by the name it states them under.
DISTRIBUTIONS: dict[str, str] = {
    "tensorflow": "tensorflow",
    "tf_keras": "tf-keras",
    "tfmot": "tensorflow-model-optimization",
    "numpy": "numpy",
    "h5py": "h5py",
    "ai_edge_litert": "ai-edge-litert",
    "ai_edge_quantizer": "ai-edge-quantizer",
}

#: What must agree before records of several machines may be joined into one run.
IDENTITY = ("keras_module", "tensorflow", "tf_keras", "tfmot")

#: A case may need this much memory, so a machine gets no more workers than fit.
CASE_BYTES = 4 * 2**30


@lru_cache(maxsize=1)
def capture() -> dict[str, Any]:
    """Return the environment as flat JSON, without host, user or paths."""
    found: dict[str, Any] = {"python": platform.python_version(), "keras_module": keras_module()}
    for name, distribution in DISTRIBUTIONS.items():
        try:
            found[name] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    if keras_module() not in found:
        found[keras_module()] = distribution_version(keras_module())
    found["platform"] = f"{platform.system()}-{platform.machine()}"
    found["processor"] = processor()
    found["cores"] = cores()
    found["memory_gib"] = round(psutil.virtual_memory().total / 2**30, 1)
    found["revision"] = _revision()
    return found


def processor() -> str | None:
    """Return the model of the processor, as its maker calls it; None where nothing tells."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or None
    named = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", told, re.MULTILINE)
    return " ".join(named[1].split()) if named else platform.processor() or None


def cores() -> int:
    """Return the number of processors this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_count() -> int:
    """Return how many cases fit on this machine at once, by cores and by memory."""
    by_memory = int(psutil.virtual_memory().available // CASE_BYTES)
    return max(1, min(cores(), by_memory))


def _revision() -> str | None:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
