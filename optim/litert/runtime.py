"""The LiteRT runtime: a file, run on arrays."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optim.errors import ConfigError, ModelFileError
from optim.litert.ends import ends
from optim.litert.flatbuffer import LiteRTFile, _module, opened


@dataclass(frozen=True)
class Latency:
    """Wall-clock time of one inference, in milliseconds."""

    median: float
    best: float
    p90: float
    repeats: int


# Which kernels run -> name of the interpreter's op resolver.
_KERNELS = {
    "default": "AUTO",  # with XNNPACK where it can
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}


class Runtime:
    """A LiteRT file, ready to run.

    Args:
        source: the file's content or path, or the file as `opened` returns it.
        threads: number of threads; None leaves it to the runtime.
        kernels: "default" (with the XNNPACK delegate), "builtin" (without), "reference".
        delegates: shared libraries of delegates, each a path or a pair (path, options).
        keep_tensors: keep the values of all tensors for `tensor`.

    Raises:
        ModelFileError: not a LiteRT model, or one that this runtime cannot run.
        ConfigError: no such `kernels`, or a number of threads below 1.
        MissingPackageError: `ai-edge-litert` is not installed.
    """

    def __init__(
        self,
        source: LiteRTFile | bytes | str | os.PathLike[str],
        *,
        threads: int | None = None,
        kernels: str = "default",
        delegates: Sequence[str | tuple[str, Mapping[str, str]]] = (),
        keep_tensors: bool = False,
    ) -> None:
        if kernels not in _KERNELS:
            raise ConfigError(f"kernels={kernels!r}: choose one of {', '.join(_KERNELS)}")
        if threads is not None and threads < 1:
            raise ConfigError(f"threads={threads}: at least 1, or None for the runtime's choice")
        interpreter = _module("interpreter")
        file = opened(source)  # before native code believes it
        # The runtime maps a file by itself; content, it copies.
        given = {"model_path": file.path} if file.path else {"model_content": bytes(file.content)}
        self.inputs, self.outputs = ends(file.root)
        try:
            self.interpreter = interpreter.Interpreter(
                **given,
                num_threads=threads,
                experimental_delegates=[_delegate(interpreter, one) for one in delegates] or None,
                experimental_op_resolver_type=getattr(
                    interpreter.OpResolverType, _KERNELS[kernels]
                ),
                experimental_preserve_all_tensors=keep_tensors,
            )
            self.interpreter.allocate_tensors()
        except ConfigError:
            raise
        except (RuntimeError, ValueError) as error:
            raise ModelFileError(f"the LiteRT runtime cannot run the model: {error}") from error

    def run(self, inputs: Any, *, raw: bool = False) -> list[np.ndarray]:
        """Run the model.

        Args:
            inputs: an array, a list of arrays in the order of `self.inputs`, or a dict by
                name. Float values are quantized for an integer input. More samples than the
                file's batch are run one batch after the other. A model that assigns variables
                goes on with them from batch to batch and from call to call; to begin anew,
                make a new `Runtime`.
            raw: return outputs as they are stored, not dequantized.

        Returns:
            One array per output, in the order of `self.outputs`; float32 for quantized ones.

        Raises:
            ConfigError: number, names or shapes of the inputs do not fit.
            ModelFileError: LiteRT refuses to go on, as with an index that a table does not have.
        """
        arrays = self._arrays(inputs)
        parts = [self._invoke(batch) for batch in self._batches(arrays)]
        stored = [np.concatenate(x) if len(parts) > 1 else x[0] for x in zip(*parts, strict=True)]
        if raw:
            return stored
        return [t.dequantize(x) for t, x in zip(self.outputs, stored, strict=True)]

    def latency(self, repeats: int = 50, warmup: int = 5, inputs: Any = None) -> Latency:
        """Measure an inference; inputs are zeros unless given (one batch)."""
        if repeats < 1:
            raise ConfigError(f"repeats={repeats}: at least 1")
        if inputs is not None:
            arrays = self._arrays(inputs)
        else:
            arrays = [np.zeros([max(1, s) for s in t.shape], t.dtype) for t in self.inputs]
        self._feed(arrays)
        times = []
        for i in range(warmup + repeats):
            began = time.perf_counter()
            self.interpreter.invoke()
            if i >= warmup:
                times.append(1000 * (time.perf_counter() - began))
        return Latency(
            statistics.median(times), min(times), float(np.percentile(times, 90)), repeats
        )

    def tensor(self, index: int) -> np.ndarray:
        """Return the stored value of a tensor after `run`; needs `keep_tensors`."""
        return np.asarray(self.interpreter.get_tensor(index))

    def tensors(self) -> list[dict[str, Any]]:
        """Return what the runtime knows of each tensor, in its own words."""
        return [dict(t) for t in self.interpreter.get_tensor_details()]

    def operators(self) -> list[dict[str, Any]]:
        """Return what the runtime executes: delegated parts appear as one operator."""
        return [dict(o) for o in self.interpreter._get_ops_details()]

    # -- one batch ------------------------------------------------------------------------

    def _arrays(self, inputs: Any) -> list[np.ndarray]:
        names = [t.name for t in self.inputs]
        if isinstance(inputs, Mapping):
            if set(inputs) != set(names):
                raise ConfigError(f"the model has the inputs {names}, given are {sorted(inputs)}")
            inputs = [inputs[name] for name in names]
        elif not isinstance(inputs, (list, tuple)):
            inputs = [inputs]
        if len(inputs) != len(names):
            raise ConfigError(f"the model has {len(names)} input(s) {names}, got {len(inputs)}")
        arrays = [np.asarray(x) for x in inputs]
        for details, array in zip(self.inputs, arrays, strict=True):
            sizes = zip(details.shape[1:], array.shape[1:], strict=False)
            fits = all(wanted in (-1, size) for wanted, size in sizes)
            if array.ndim != len(details.shape) or not fits:
                raise ConfigError(
                    f"input {details.name!r} has the shape {details.shape}, got {array.shape}"
                )
        return [t.quantize(x) for t, x in zip(self.inputs, arrays, strict=True)]

    def _batches(self, arrays: list[np.ndarray]) -> list[list[np.ndarray]]:
        first = self.inputs[0].shape
        size = first[0] if first else -1
        counts = {len(x) for x in arrays if x.ndim}
        if size == -1 or counts == {size}:
            return [arrays]
        count = counts.pop() if len(counts) == 1 else 0
        if not count or count % size:
            raise ConfigError(
                f"the file takes batches of {size}; inputs have {sorted({count, *counts})} samples"
            )
        return [[x[i : i + size] for x in arrays] for i in range(0, count, size)]

    def _feed(self, arrays: list[np.ndarray]) -> None:
        resized = False
        for details, array in zip(self.inputs, arrays, strict=True):
            if -1 in details.shape:
                self.interpreter.resize_tensor_input(details.index, array.shape)
                resized = True
        if resized:
            self.interpreter.allocate_tensors()
        for details, array in zip(self.inputs, arrays, strict=True):
            self.interpreter.set_tensor(details.index, array)

    def _invoke(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        self._feed(arrays)
        self.interpreter.reset_all_variables()  # recurrent layers keep their state otherwise
        try:
            self.interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            told = " ".join(str(error).split())
            raise ModelFileError(f"LiteRT does not run the file on this input: {told}") from error
        return [np.array(self.interpreter.get_tensor(t.index)) for t in self.outputs]


def _delegate(interpreter: Any, given: str | tuple[str, Mapping[str, str]]) -> Any:
    library, options = (given, {}) if isinstance(given, str) else given
    try:
        return interpreter.load_delegate(library, dict(options))
    except (OSError, ValueError) as error:
        raise ConfigError(f"the delegate {library!r} cannot be loaded: {error}") from error
