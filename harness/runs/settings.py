"""What a run was asked to do, and the commands that repeat it or go on with it."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness import records
from harness.execution.attempt import Limits
from harness.matrix.cases import Case
from harness.paths import EXPECTATIONS, REPORTS, interpreter, shown, working_dir
from harness.stages.workbench import Options
from harness.vocabulary import STAGES

DEFAULT_RUNTIME = "harness.execution.runtime"

#: How a run is called, after the interpreter.
COMMAND = ("-m", "harness", "run")

#: Options of which a run has at most one: what of an earlier run it goes on with.
RESUME, ONLY_FAILED = "--resume", "--only-failed"


@dataclass(frozen=True)
class Settings:
    """What one run was asked to do, and where it keeps its records."""

    results: Path
    until: str = STAGES[-1]
    options: Options = field(default_factory=Options)
    limits: Limits = field(default_factory=Limits)
    runtime: str = DEFAULT_RUNTIME
    fresh: bool = False
    run_id: str = ""
    threads: int = 1
    expectations: Path = EXPECTATIONS
    reference: Path = REPORTS / records.RESULTS_NAME
    words: tuple[str, ...] = COMMAND
    keep: Path | None = None  # where the files of the cases go, if they are kept

    @property
    def file(self) -> Path:
        return self.results / records.RESULTS_NAME

    @property
    def locks(self) -> Path:
        """The folder through which workers agree on what runs beside what."""
        return self.results / "locks"

    def repro(self, case: Case) -> str:
        """Return the command that runs ``case`` exactly as this run does."""
        words = ["KERAS_MODULE=keras"] if case.application.is_converted else []
        words.append(f"python -m harness case {case.id}")
        if not case.application.is_discovered:
            words.append(f"--applications {case.application.reference}")
        if self.until != STAGES[-1]:
            words.append(f"--until {self.until}")
        words += [
            f"--{name.replace('_', '-')} {value}"
            for name, value in asdict(self.options).items()
            if value != getattr(Options(), name)
        ]
        return " ".join(words)

    def accept(self) -> str:
        """Return the command that makes this run the baseline."""
        words = [interpreter(), "-m harness accept", shlex.quote(shown(self.results))]
        if self.expectations != EXPECTATIONS:
            words.append(f"--expectations {shlex.quote(shown(self.expectations))}")
        return " ".join(words)

    def go_on(self, how: str = RESUME) -> str:
        """Return the command that goes on with this run where it stops."""
        words = [word for word in self.words if word not in (RESUME, ONLY_FAILED)]
        if self.words[: len(COMMAND)] == COMMAND:
            words.insert(len(COMMAND), how)
        else:  # it was called as pytest is
            words.append(how)
        if self.results.absolute() != working_dir().absolute() and not any(
            word.startswith("--results") for word in words
        ):
            words += ["--results", shown(self.results)]
        return " ".join([interpreter(), *map(shlex.quote, words)])
