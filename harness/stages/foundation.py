"""The foundation: what the cases of one application have in common, in the process they share.

Building a model, conditioning its weights and computing its outputs is the same work for
every technique, so the first case of a process does it for those that follow. No case may
see what another did, and none may have other figures than it has alone: names and random
numbers go on from where they stood after the build; a technique that works on the model it
is given gets one of its own; and a promise to leave it alone is looked after.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.stages import snapshot
from harness.stages.names import names, set_names

if TYPE_CHECKING:
    from harness.stages.workbench import Bench

#: Bytes of weights above which the float model is not kept beside the one that is trained.
MOST_HELD = 2**30

#: What is the same for every case, of a `Bench`.
_FACTS = ("input_size", "reduced_size", "samples", "expected")


@dataclass
class Foundation:
    """What one application is built of, once it has been.

    Attributes:
      key: of the application, and of all that decides how it is built.
      folder: for files that last as long as the process.
    """

    key: tuple[Any, ...]
    folder: Path
    _model: Any = None
    _arguments: Mapping[str, Any] = field(default_factory=dict)
    _names: tuple[Any, Any] = (None, None)  # before the build, and after it
    _facts: dict[str, Any] = field(default_factory=dict)
    _metrics: dict[str, Any] = field(default_factory=dict)
    _shape: Any = None
    _traces: Any = None
    _float_file: Path | None = None
    _tried: bool = False

    @property
    def laid(self) -> bool:
        """Whether a case has built the application."""
        return bool(self._facts)

    @property
    def sample_shapes(self) -> list[tuple[int, ...]]:
        """The shape of one sample for each input."""
        return self._shape if isinstance(self._shape, list) else [self._shape]

    @property
    def _weights(self) -> Path:
        return self.folder / "built.npy"

    def lay(self, bench: Bench) -> None:
        """Keep what a case has built, as it stands now."""
        self._model = bench.model
        self._arguments = dict(bench.built_with)
        self._names = (bench.built_after, names())
        snapshot.write(bench.model.weights, self._weights)
        shapes = bench.input_shapes
        self._shape = shapes if len(shapes) > 1 else shapes[0]
        self._traces = _traces(bench.model)
        self._metrics = dict(bench.metrics)
        self._facts = {name: getattr(bench, name) for name in _FACTS}

    def lend(self, bench: Bench) -> None:
        """Give a case what was built: the model itself, or one like it.

        The model itself is given away if the technique may change it.
        """
        import tf_keras as keras

        for name, value in self._facts.items():
            setattr(bench, name, value)
        bench.metrics.update(self._metrics)
        if self._model is None:
            self._model = self._again(bench)
        bench.model = self._model
        if not getattr(bench.technique, "leaves_model", False):
            self._model = None
        set_names(self._names[1])
        keras.utils.set_random_seed(bench.options.seed)

    def _again(self, bench: Bench) -> Any:
        from harness.stages import build, convert

        set_names(self._names[0])
        make = convert.again if bench.is_converted else build.construct
        model = make(bench, **self._arguments)
        snapshot.restore(model.weights, self._weights)
        return model

    def original(self, bench: Bench) -> Any:
        """Return a model of Keras 3 with the weights of the twin that a case has."""
        from harness.stages.build import construct
        from optim import to_keras3

        return to_keras3(bench.model, like=construct(bench, **self._arguments))

    def holds(self, model: Any) -> bool:
        """Whether this is the model that was built, and a technique that leaves it alone has it."""
        return self._model is not None and model is self._model

    @property
    def kept_bytes(self) -> int:
        """How much memory the model takes, if it is held."""
        return self._weights.stat().st_size if self._model is not None else 0

    def make_room(self, bench: Bench) -> None:
        """Let go of the model, if it is large, before another like it is trained."""
        if bench.model is not self._model and self.kept_bytes > MOST_HELD:
            self._model = None

    def settle(self) -> None:
        """After a case: let go of a model that is not what it was."""
        if self._model is not None and not self._is_untouched():
            self._model = None

    def _is_untouched(self) -> bool:
        # A model that cannot even be looked at is not what it was either.
        with contextlib.suppress(Exception):
            same = _traces(self._model) == self._traces
            return same and not snapshot.changed(self._model.weights, self._weights)
        return False

    # -- the file of the float model -------------------------------------------------------

    def adopt(self, file: Path) -> None:
        """Take the file of the control for that of the float model."""
        path = self.folder / "float.tflite"
        path.unlink(missing_ok=True)
        try:
            os.link(file, path)
        except OSError:
            shutil.copyfile(file, path)
        self._float_file = path

    def float_file(self, bench: Bench) -> Path | None:
        """Return the file of the float model; None where there cannot be one."""
        if self._float_file is None and not self._tried:
            self._tried = True
            path = self.folder / "float.tflite"
            # That there is none is what the control fails of, and no other technique.
            with contextlib.suppress(Exception):
                self._export(bench, path)
                self._float_file = path
        return self._float_file

    def _export(self, bench: Bench, path: Path) -> None:
        from optim import export

        if self._model is None:
            self._model = self._again(bench)
        export(self._model, path, input_shape=self._shape)


def _traces(model: Any) -> list[tuple[str, int, int, bool]]:
    """Return what else than weights a technique could leave in a model."""
    return [
        (layer.name, len(layer._inbound_nodes), len(layer._outbound_nodes), layer.trainable)
        for layer in model._flatten_layers()
    ]
