"""A fake Keras package and a way to run the harness on it, in seconds."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from harness import records
from harness.plugin import MATRIX_FILE
from harness.records import Record

FAKES = Path(__file__).with_name("fakes")


def write_package(root: Path, kinds: Mapping[str, int]) -> None:
    """Write a package ``fakekeras`` with as many constructors of each kind."""
    package = root / "fakekeras"
    source = package / "src" / "applications"
    for folder in (package, package / "applications", package / "src", source):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text("")
    index = ['"""An index."""', "", "from fakekeras.applications import nothing"]
    for kind, count in kinds.items():
        names = [f"{kind}{n}" for n in range(count)]
        body = "\n".join(f"def {name}(weights=None):\n    return None\n" for name in names)
        (source / f"net_{kind.lower()}.py").write_text(body)
        index += [f"from fakekeras.src.applications.net_{kind.lower()} import {n}" for n in names]
    (package / "applications" / "__init__.py").write_text("\n".join(index) + "\n")


@dataclass
class Bench:
    """Runs the harness on a fake Keras package, as a user would, in its own processes."""

    root: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def expectations(self) -> Path:
        return self.root / "expectations.txt"

    @property
    def environment(self) -> dict[str, str]:
        keep = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
        return {
            **keep,
            "KERAS_MODULE": "fakekeras",
            "PYTHONPATH": os.pathsep.join([str(self.root), str(FAKES)]),
            "XDG_CACHE_HOME": str(self.root / "cache"),
            "FAKE_MARK": self.mark,
        }

    def has(self, **kinds: int) -> Bench:
        write_package(self.root, kinds)
        return self

    def options(self) -> list[str]:
        self.expectations.touch()
        reference = self.root / "reference.jsonl"
        reference.touch()
        return [
            "--runtime=fake_runtime",
            f"--results={self.results}",
            f"--expectations={self.expectations}",
            f"--reference={reference}",
            *("-p", "no:cacheprovider"),
            *("-p", "no:hypothesispytest"),  # importing it would cost more than the run
        ]

    def command(self, *more: str) -> list[str]:
        return [sys.executable, "-m", "pytest", str(MATRIX_FILE), *self.options(), *more]

    def pytest(self, *more: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return self._go(self.command(*more), timeout)

    def run(self, *more: str) -> subprocess.CompletedProcess[str]:
        """``harness run`` with the fakes."""
        return self._go([sys.executable, "-m", "harness", "run", *self._cli(more)], 120)

    def _cli(self, more: tuple[str, ...]) -> list[str]:
        workers = ["-n", "2"] if "-n" not in more else []
        return [*workers, *self.options(), *more]

    def harness(self, *more: str) -> subprocess.CompletedProcess[str]:
        return self._go([sys.executable, "-m", "harness", *more], 120)

    def _go(self, command: list[str], timeout: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment,
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def records(self) -> dict[str, Record]:
        return records.read(self.results).latest()

    def left_behind(self) -> list[str]:
        """Processes that carry this bench's mark and are still there."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("FAKE_MARK") == self.mark:
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found
