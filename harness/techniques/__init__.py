"""Techniques: what is done to a model; the columns of the matrix.

A technique is a small object behind one registry. Built-in ones are registered by
:mod:`harness.techniques.builtin` exactly as a plug-in registers its own: a package names
a module under the entry point group ``tfmot_matrix.techniques``, and that module calls
:func:`register`. Nothing here imports TensorFlow; a technique's methods do, when called.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from harness.vocabulary import UsageError, unknown

ENTRY_POINTS = "tfmot_matrix.techniques"
BUILTIN = "harness.techniques.builtin"


@runtime_checkable
class Technique(Protocol):
    """What a column has to offer.

    Attributes:
      id: the word for it in ids, the CLI and the report, e.g. ``qat-tfmot``.
      title: one line that tells what is done.
      owner: whose code does the work (``tf_keras``, ``tfmot``, ``optim``, ...).
      components: names of those that it works with, besides those of its stages (see
        `harness.provenance.components`). What they consist of follows from the code, and so
        does what else the technique's package holds that it uses.
      stages: those that a case of it goes through.
      preserves: whether the result computes what the float model does, so that the two are
        compared. Not so where weights are taken away.
      int8: whether it promises a file with no float operation inside.
      parity: least SQNR in dB of the exported file, against the ``simulation`` (the Keras
        model exported) and the ``float`` model.
      state: parts of the names of variables that keep what training made of them; all
        others are exported with the values from before it.
    """

    id: str
    title: str
    owner: str
    components: tuple[str, ...]
    stages: tuple[str, ...]
    preserves: bool
    int8: bool
    parity: Mapping[str, float]
    state: tuple[str, ...]

    def transform(self, model: Any) -> Any:
        """Return the model with the technique applied."""

    def calibrate(self, model: Any, data: Any) -> None:
        """Set what the result has to know of data, in place.

        Args:
          data: a list of batches of inputs.
        """

    def export(self, model: Any, path: Path, input_shape: Any, data: Any) -> None:
        """Write the result as a LiteRT file.

        Args:
          input_shape: of one sample; several inputs: a list.
          data: a list of batches of inputs, for what is quantized now.
        """

    def callbacks(self) -> list[Any]:
        """Return the Keras callbacks that training the result needs."""

    def inspect(self, result: Any, known: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return metrics of the result: of the trained model, and later of the file.

        Args:
          result: a Keras model, or the path of a LiteRT file.
          known: metrics of the case so far.

        Raises:
          CheckError: it is not what the technique promises.
        """

    def load(self, path: Path, custom_objects: Mapping[str, Any]) -> Any:
        """Read a saved result back through the technique's public API.

        Args:
          path: what ``model.save`` wrote.
          custom_objects: the layers that the application itself defines.
        """


_registry: dict[str, Technique] = {}

#: What an object needs to be a technique.
REQUIRED = (
    "id",
    "title",
    "owner",
    "components",
    "stages",
    "preserves",
    "int8",
    "parity",
    "state",
    "transform",
    "calibrate",
    "export",
    "callbacks",
    "inspect",
    "load",
)


def register(technique: Technique) -> Technique:
    """Add a technique to the registry and return it.

    Raises:
      UsageError: the object lacks something, names a component that is none, or the id is
        taken by another.
    """
    from harness.provenance.components import COMPONENTS

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


def select(ids: Iterable[str] = ()) -> tuple[Technique, ...]:
    """Return the techniques that ``ids`` name; all of them for none.

    Raises:
      UsageError: an id is unknown; the message names the nearest.
    """
    known = registry()
    ids = list(dict.fromkeys(ids)) or list(known)
    for one in ids:
        if one not in known:
            raise unknown("technique", one, known)
    return tuple(known[one] for one in ids)
