"""Stages: what is done with a case, step by step, in the process that runs it.

The list is data: a stage is a function that takes a :class:`Bench` and either returns
or raises. Each lives in a module of its own, so that adding one leaves the keys of
outcomes recorded without it untouched.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

from harness.stages.workbench import Bench, Options
from harness.vocabulary import ONLY_OF, STAGES

Stage = Callable[[Bench], None]


def stage(name: str) -> Stage:
    """Return the function that runs a stage."""
    function: Stage = importlib.import_module(f"harness.stages.{name}").run
    return function


def up_to(until: str, of: Collection[str] = STAGES, module: str = "") -> tuple[str, ...]:
    """Return the stages of a run, in order.

    Args:
      until: the last one.
      of: those that the technique goes through.
      module: where the application's constructor is: the rows of a Keras package may have
        stages of their own, whatever the technique.
    """
    package = module.partition(".")[0]
    here = STAGES[: STAGES.index(until) + 1]
    return tuple(one for one in here if (package == ONLY_OF[one] if one in ONLY_OF else one in of))


def options_from(data: Mapping[str, Any]) -> Options:
    return Options(**data)
