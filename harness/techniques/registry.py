"""The registry: every technique by its id, in the order in which they are shown."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Iterable, Mapping
from functools import lru_cache

from harness.techniques.protocol import REQUIRED, Technique, fits
from harness.vocabulary import UsageError, unknown

ENTRY_POINTS = "tfmot_matrix.techniques"
BUILTIN = "harness.techniques.builtin"

_registry: dict[str, Technique] = {}


def register(technique: Technique) -> Technique:
    """Add a technique to the registry and return it.

    Raises:
      UsageError: the object lacks something, names a component that is none, or the id is
        taken by another.
    """
    # Late: what a technique is keyed by is not to hold the whole table of components.
    from harness.techniques.components import COMPONENTS

    missing = [name for name in REQUIRED if not hasattr(technique, name)]
    if missing:
        raise UsageError(f"technique {technique!r} has no {', '.join(missing)}")
    for name in technique.components:
        if name not in COMPONENTS:
            raise unknown("component", name, COMPONENTS)
    holder = _registry.get(technique.id)
    if holder is not None and type(holder) is not type(technique):
        raise UsageError(f"technique id {technique.id!r} is taken by {type(holder).__name__}")
    _registry[technique.id] = technique
    return technique


def registry() -> Mapping[str, Technique]:
    """Return every registered technique by id, built-in ones first."""
    _load_plugins()
    return _registry


@lru_cache(maxsize=1)
def _load_plugins() -> None:
    modules = [BUILTIN]
    modules += [e.value for e in importlib.metadata.entry_points(group=ENTRY_POINTS)]
    for name in dict.fromkeys(modules):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UsageError(f"technique plug-in {name!r} cannot be imported: {error}") from error


def select(ids: Iterable[str] = (), *, converted: bool = False) -> tuple[Technique, ...]:
    """Return the techniques that ``ids`` name; for none all, but for those only on request.

    Args:
      ids: of techniques.
      converted: whether they are for models of Keras 3, which are converted first.

    Raises:
      UsageError: an id is unknown, or of a technique for other models; the message names the
        nearest.
    """
    known = {t.id: t for t in registry().values() if fits(t, converted)}
    usual = [t.id for t in known.values() if not getattr(t, "on_request", False)]
    ids = list(dict.fromkeys(ids)) or usual
    for one in ids:
        if one in known:
            continue
        if one in registry():
            others = "tf_keras" if converted else "Keras 3 (KERAS_MODULE=keras)"
            raise UsageError(f"technique {one!r} is for models of {others} only")
        raise unknown("technique", one, known)
    return tuple(known[one] for one in ids)
