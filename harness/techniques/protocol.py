"""What a column of the matrix has to offer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Technique(Protocol):
    """What a column has to offer.

    Attributes:
      id: the word for it in ids, the CLI and the report, e.g. ``qat-tfmot``.
      title: one line that tells what is done.
      owner: whose code does the work (``tf_keras``, ``tfmot``, ``optim``, ...).
      components: names of those that it works with, besides those of its stages (see
        `harness.techniques.components`). What they consist of follows from the code, and so
        does what else the technique's package holds that it uses.
      stages: those that a case of it goes through.
      preserves: whether the result computes what the float model does, so that the two are
        compared. Not so where weights are taken away.
      int8: whether it promises a file with no float operation inside.
      parity: least SQNR in dB of the exported file, against the ``simulation`` (the Keras
        model exported) and the ``float`` model.
      state: parts of the names of variables that keep what training made of them; all
        others are exported with the values from before it.

    These may be left out:

    - ``unavailable()``: why it cannot run here and what to do, in a sentence, or None. Its cases
      are skipped then.
    - ``depends()``: versions of what it works with beyond the libraries of every case; part of
      the keys of its records.
    - ``on_request``: whether a run has it only where it is named.
    - ``answers``: ids of the techniques whose failures it is an answer to.
    - ``of_keras3``: whether it is for models of Keras 3 only (True) or for none of them (False).
    - ``takes_original``: whether it gets the model of Keras 3 itself, not its twin.
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


def fits(technique: Technique, converted: bool) -> bool:
    """Whether a technique is for models of Keras 3 (``converted``), or for others."""
    return getattr(technique, "of_keras3", None) in (None, converted)


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
