"""What a label is: one entry of `harness.failures.labels`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class When(IntEnum):
    """When a rule is tried: deaths first, then what names its cause, then what only hints."""

    DEATH = 1
    BUILD = 2
    REFUSAL = 3  # before anything is tried
    MISHANDLING = 4  # the transformation ran into a layer
    EXPORT = 5
    FILE = 6
    CHECK = 7
    REST = 8


@dataclass(frozen=True)
class Rule:
    """How a label is recognised. A field that is None matches anything.

    Attributes:
      when: it is tried.
      status: the status the attempt ended with.
      stage: the stage that failed.
      type: name of an exception in the chain (a regular expression, whole name).
      message: a regular expression searched in every message of the chain.
      layer: class of the layer at fault (a regular expression, whole name).
      op: the op of the layer at fault (a regular expression, searched).
      blocker: the kind of what blocks, ``layer``, ``op`` or ``activation``, if one is named.
      own: whether the failure came up in a constructor of one's own: of the frames that are
        not of a library, the innermost is in its package.
    """

    when: When
    status: str | None = None
    stage: str | None = None
    type: str | None = None
    message: str | None = None
    layer: str | None = None
    op: str | None = None
    blocker: str | None = None
    own: bool = False


@dataclass(frozen=True)
class Label:
    """A kind of failure, and what a reader is told of it: a sentence or two each.

    Attributes:
      name, title: the word for it, and how it is spelt out.
      cause: why it happens.
      remedy: what the owner of the model can do.
      links: upstream issues.
      handled: what in `optim` takes such models now; empty where nothing does.
      rules: how it is recognised; none for what the harness gives by itself.
    """

    name: str
    title: str
    cause: str
    remedy: str
    links: tuple[str, ...] = ()
    handled: str = ""
    rules: tuple[Rule, ...] = ()
