"""Errors that `optim` raises.

Every class derives from `OptimError`, so `except OptimError` catches what this package
refuses and nothing else. Each also derives from the builtin a caller would expect
(`ImportError`, `TypeError`, `ValueError`, `OSError`). A message says what is wrong and
what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "ConfigError",
    "ExportError",
    "KerasModelError",
    "KerasModuleError",
    "MissingPackageError",
    "ModelFileError",
    "OptimError",
    "Problem",
    "UnsupportedModelError",
    "UntrustedFileError",
]


class OptimError(Exception):
    """Base class of every error raised on purpose by `optim`."""


class KerasModuleError(OptimError, ImportError):
    """The Keras module in force is not one that tfmot can work with."""


class MissingPackageError(KerasModuleError):
    """A package that `optim` needs is not installed."""


class KerasModelError(OptimError, TypeError):
    """The argument is not a model or layer of the chosen Keras module."""


class ConfigError(OptimError, ValueError):
    """An option or a table entry has a value that makes no sense."""


class ModelFileError(OptimError, OSError):
    """A model file is missing, unreadable, or not a model that `optim` can load."""


@dataclass(frozen=True)
class Problem:
    """One reason why a model is refused.

    Attributes:
        layer: path of the layer, nested models joined by `/`; the model's name for a
            problem of the whole model.
        reason: what about it is not supported.
        remedy: what the caller can do.
    """

    layer: str
    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{self.layer}: {self.reason}"
        return f"{text} -> {self.remedy}" if self.remedy else text


class UntrustedFileError(ModelFileError):
    """A model file brings code, or asks for more than layers, and was not said to be trusted.

    Args:
        path: the file.
        problems: what it would have run, imported or opened; at least one.

    Attributes:
        path, problems: the same, problems as a tuple of `Problem`.
    """

    def __init__(self, path: str, problems: Iterable[Problem]) -> None:
        self.path = path
        self.problems = tuple(problems)
        first = self.problems[0]
        count = len({problem.layer for problem in self.problems}) - 1
        more = f"; and {count} more of the kind" if count else ""
        super().__init__(
            f"{path!r} is not loaded: {first.layer} {first.reason}{more} -> {first.remedy}; or, if "
            "you trust the file, load it with optim.load_model(..., safe_mode=False)"
        )

    def __reduce__(self) -> tuple[type, tuple[str, tuple[Problem, ...]]]:
        return type(self), (self.path, self.problems)


class UnsupportedModelError(OptimError, ValueError):
    """A model cannot be transformed. Carries *all* the problems found, not the first.

    Args:
        problems: what was found, in model order; at least one.
        summary: first line of the message; made from the number of problems if empty.

    Attributes:
        problems: the same, as a tuple of `Problem`.
    """

    def __init__(self, problems: Iterable[Problem], summary: str = "") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        self.summary = summary or f"the model cannot be transformed ({count} problem(s))"
        super().__init__("\n  - ".join([f"{self.summary}:", *map(str, self.problems)]))

    def __reduce__(self) -> tuple[type, tuple[tuple[Problem, ...], str]]:
        # The default rebuilds from the message alone; errors cross process borders here.
        return type(self), (self.problems, self.summary)


class ExportError(OptimError, RuntimeError):
    """The converter to LiteRT refuses a model. Carries what is known of the reasons.

    Args:
        problems: one per layer and operation, if the converter named any.
        summary: first line of the message.

    Attributes:
        problems: the same, as a tuple of `Problem`.
    """

    def __init__(self, problems: Iterable[Problem], summary: str = "") -> None:
        self.problems = tuple(problems)
        self.summary = summary or f"LiteRT cannot run this model ({len(self.problems)} problem(s))"
        super().__init__("\n  - ".join([f"{self.summary}:", *map(str, self.problems)]))

    def __reduce__(self) -> tuple[type, tuple[tuple[Problem, ...], str]]:
        return type(self), (self.problems, self.summary)
