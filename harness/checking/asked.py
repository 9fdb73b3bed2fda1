"""What a check is asked for, in words that go to another process."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.execution.attempt import Limits

#: How many inputs ranges are taken from and outputs compared on, unless said otherwise.
SAMPLES = 32

#: Height and width of images for a model that leaves its size open.
INPUT_SIZE = 224


@dataclass(frozen=True)
class Source:
    """Where the model is.

    Attributes:
      word: as it was given: a path, or ``package.module:function``.
      path: of the file, absolute; empty for a function.
      title: what kind of file it is, or that it is a function.
      name: of the model in ids and file names.
    """

    word: str
    path: str
    title: str
    name: str


@dataclass(frozen=True)
class Data:
    """Where the inputs are.

    Attributes:
      word: as it was given; empty: none were.
      path: of the file or folder, absolute; empty for a function.
      count: how many inputs at most.
      size: height and width of images where the model leaves them open.
      seed: of what is drawn.
      low, high: values of black and white in images; None: what suits the model.
    """

    word: str = ""
    path: str = ""
    count: int = SAMPLES
    size: int = INPUT_SIZE
    seed: int = 2021
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Asked:
    """All that a check is asked for.

    Attributes:
      source, data: the model and its inputs.
      techniques: ids, the control first.
      custom: where classes are that the file names, as ``package.module:Name``.
      trust: whether what the file brings may run.
      out: the folder for the page; None: none.
      save: whether to keep the files there.
      limits: of each technique.
      threads: that TensorFlow computes with.
      runtime: the module that runs a technique in its process.
    """

    source: Source
    data: Data
    techniques: tuple[str, ...]
    custom: tuple[str, ...] = ()
    trust: bool = False
    out: Path | None = None
    save: bool = False
    limits: Limits = field(default_factory=Limits)
    threads: int = 1
    runtime: str = "harness.checking.runtime"

    def command(self, technique: str = "") -> str:
        """Return the command that does the same again, for one technique or for all.

        Args:
          technique: the one; empty: all.
        """
        words = ["python -m harness check", shlex.quote(self.source.word)]
        words += ["--techniques", technique or ",".join(self.techniques[1:])]
        if self.data.word:
            words += ["--data", shlex.quote(self.data.word)]
        plain = Data()
        for option, name in _DATA_OPTIONS.items():
            if getattr(self.data, name) != getattr(plain, name):
                words += [option, str(getattr(self.data, name))]
        if self.data.low is not None:
            words += ["--range", f"{self.data.low:g}:{self.data.high:g}"]
        for one in self.custom:
            words += ["--custom", one]
        return " ".join([*words, *(["--trust"] if self.trust else [])])

    def told(self) -> Mapping[str, Any]:
        """Return what a process is told of model and inputs, ready for JSON."""
        return {
            "source": asdict(self.source),
            "data": asdict(self.data),
            "custom": list(self.custom),
            "trust": self.trust,
        }


_DATA_OPTIONS = {"--samples": "count", "--input-size": "size", "--seed": "seed"}
