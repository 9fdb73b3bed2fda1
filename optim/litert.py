"""The LiteRT runtime and file format, from the package `ai-edge-litert`.

All that this project takes from that package goes through this module, which imports
neither it nor TensorFlow before something is asked for.
"""

from __future__ import annotations

import importlib
import mmap
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from optim.errors import ConfigError, MissingPackageError, ModelFileError

__all__ = [
    "Latency",
    "Runtime",
    "TensorDetails",
    "dtype_name",
    "ends",
    "integer_range",
    "mapped",
    "operator_name",
    "parse",
    "read",
    "schema",
]

_IDENTIFIER = b"TFL3"

Content: TypeAlias = bytes | mmap.mmap


def _module(name: str) -> Any:
    try:
        return importlib.import_module(f"ai_edge_litert.{name}")
    except ImportError as error:
        python = os.path.basename(sys.executable) or "python"
        raise MissingPackageError(
            "the LiteRT runtime is not installed, or not for this Python: run "
            f"`{python} -m pip install ai-edge-litert` ({error})",
            name="ai_edge_litert",
        ) from error


# -- the file format ----------------------------------------------------------------------


@cache
def schema() -> Any:
    """Return the generated classes of the flatbuffer schema."""
    return _module("schema_py_generated")


@cache
def _names(enumeration: str) -> dict[int, str]:
    values = vars(getattr(schema(), enumeration))
    return {v: k for k, v in values.items() if isinstance(v, int) and not k.startswith("_")}


def dtype_name(code: int) -> str:
    """Return the name of a tensor type: "float32", "int8", ..., "bool"."""
    return _names("TensorType").get(code, f"type {code}").lower()


def operator_name(code: int) -> str:
    """Return the name of a builtin operator: "CONV_2D", ..."""
    return _names("BuiltinOperator").get(code, f"OPERATOR_{code}")


def integer_range(code: int) -> tuple[int, int] | None:
    """Return least and greatest value of a quantized tensor type; None for others."""
    name = dtype_name(code)
    if name not in ("int4", "int8", "uint8", "int16"):
        return None
    bits = int(name.lstrip("uint"))
    return (0, 2**bits - 1) if name[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def mapped(source: Content | bytearray | str | os.PathLike[str]) -> Content:
    """Return the content of a LiteRT file, of which only what is looked at is read.

    Args:
        source: the content, or the path of the file.

    Raises:
        ModelFileError: no such file, or not a LiteRT model.
    """
    if isinstance(source, mmap.mmap):
        return source
    if isinstance(source, (bytes, bytearray, memoryview)):
        return read(source)
    try:
        with open(source, "rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # no such file, or an empty one
        return read(source)
    return content if content[4:8] == _IDENTIFIER else read(source)


def read(source: Content | bytearray | str | os.PathLike[str]) -> bytes:
    """Return the content of a LiteRT file.

    Args:
        source: the content, or the path of the file.

    Raises:
        ModelFileError: no such file, or not a LiteRT model.
    """
    if isinstance(source, (bytes, bytearray, memoryview, mmap.mmap)):
        content, name = bytes(source), "the data"
    else:
        name = repr(os.fspath(source))
        try:
            content = Path(source).read_bytes()
        except OSError as error:
            reason = "there is no such file" if not Path(source).exists() else str(error)
            raise ModelFileError(f"cannot read {name}: {reason}") from error
    if content[4:8] != _IDENTIFIER:
        raise ModelFileError(
            f"{name} is not a LiteRT model: it lacks the mark {_IDENTIFIER.decode()!r} of a "
            f".tflite file ({_guess(content)})"
        )
    return content


def _guess(content: bytes) -> str:
    known = {
        b"\x89HDF": "it is an HDF5 file: load it with optim.load_model and export it",
        b"PK\x03\x04": "it is a zip archive, perhaps a .keras file: load and export it",
    }
    empty = "it is empty" if not content else f"it has {len(content)} bytes"
    return known.get(content[:4], empty)


def parse(content: Content) -> Any:
    """Return the root table (`schema().Model`) of a file's content.

    Raises:
        ModelFileError: not a LiteRT model, or a truncated one.
    """
    model = schema().Model.GetRootAs(mapped(content), 0)
    try:
        if model.SubgraphsLength() < 1:
            raise ValueError("no subgraph")
        graph = model.Subgraphs(0)
        for i in range(graph.TensorsLength()):
            graph.Tensors(i).Name()
        for i in range(model.BuffersLength()):
            model.Buffers(i).DataAsNumpy()
    except Exception as error:  # struct.error, IndexError, ...: a damaged flatbuffer
        raise ModelFileError(f"the LiteRT model is damaged or cut off ({error})") from error
    return model


# -- the runtime --------------------------------------------------------------------------


@dataclass(frozen=True)
class TensorDetails:
    """An input or output of a file.

    Attributes:
        name: as the signature names it; the tensor's own name if there is no signature.
        index: number of the tensor.
        shape: sizes, -1 for those that are open.
        dtype: numpy's name: "float32", "int8", ...
        scale, zero_point: `value = scale * (stored - zero_point)`; 0 if not quantized.
    """

    name: str
    index: int
    shape: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0

    def quantize(self, values: np.ndarray) -> np.ndarray:
        """Return float values as the tensor stores them, rounded and clipped."""
        dtype = np.dtype(self.dtype)
        if not self.scale or not np.issubdtype(values.dtype, np.floating):
            return values.astype(dtype, copy=False)
        limits = np.iinfo(dtype)
        steps = np.round(values / self.scale) + self.zero_point
        return np.clip(steps, limits.min, limits.max).astype(dtype)

    def dequantize(self, stored: np.ndarray) -> np.ndarray:
        """Return stored values as float32; values that are not quantized as they are."""
        if not self.scale or not np.issubdtype(stored.dtype, np.integer):
            return stored
        return (self.scale * (stored.astype(np.float32) - self.zero_point)).astype(np.float32)


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
        source: the file's content or path.
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
        source: bytes | str | os.PathLike[str],
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
        content = mapped(source)
        # The runtime maps a file by itself; content, it copies.
        given = {"model_content": content} if isinstance(content, bytes) else {"model_path": source}
        loaded = [_delegate(interpreter, one) for one in delegates]
        try:
            self.interpreter = interpreter.Interpreter(
                **given,
                num_threads=threads,
                experimental_delegates=loaded or None,
                experimental_op_resolver_type=getattr(
                    interpreter.OpResolverType, _KERNELS[kernels]
                ),
                experimental_preserve_all_tensors=keep_tensors,
            )
            self.interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ModelFileError(f"the LiteRT runtime cannot run the model: {error}") from error
        self.inputs, self.outputs = ends(content)

    def run(self, inputs: Any, *, raw: bool = False) -> list[np.ndarray]:
        """Run the model.

        Args:
            inputs: an array, a list of arrays in the order of `self.inputs`, or a dict by
                name. Float values are quantized for an integer input. More samples than the
                file's batch are run one batch after the other.
            raw: return outputs as they are stored, not dequantized.

        Returns:
            One array per output, in the order of `self.outputs`; float32 for quantized ones.

        Raises:
            ConfigError: number, names or shapes of the inputs do not fit.
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
        self.interpreter.invoke()
        return [np.array(self.interpreter.get_tensor(t.index)) for t in self.outputs]


def _delegate(interpreter: Any, given: str | tuple[str, Mapping[str, str]]) -> Any:
    library, options = (given, {}) if isinstance(given, str) else given
    try:
        return interpreter.load_delegate(library, dict(options))
    except (OSError, ValueError) as error:
        raise ConfigError(f"the delegate {library!r} cannot be loaded: {error}") from error


def ends(content: Content) -> tuple[list[TensorDetails], list[TensorDetails]]:
    """Return inputs and outputs of a file, without running it.

    Raises:
        ModelFileError: not a LiteRT model.
    """
    graph = parse(content).Subgraphs(0)
    names = _signature_names(content)

    def details(index: int) -> TensorDetails:
        tensor = graph.Tensors(index)
        shape = tensor.ShapeSignatureAsNumpy()
        shape = tensor.ShapeAsNumpy() if isinstance(shape, int) else shape
        q = tensor.Quantization()
        known = q is not None and q.ScaleLength() == 1
        return TensorDetails(
            names.get(index, (tensor.Name() or b"").decode()),
            index,
            () if isinstance(shape, int) else tuple(int(s) for s in shape),
            dtype_name(tensor.Type()),
            float(q.Scale(0)) if known else 0.0,
            int(q.ZeroPoint(0)) if known else 0,
        )

    return (
        [details(graph.Inputs(i)) for i in range(graph.InputsLength())],
        [details(graph.Outputs(i)) for i in range(graph.OutputsLength())],
    )


def _signature_names(content: Content) -> dict[int, str]:
    """Tensor number -> name in the first signature."""
    model = parse(content)
    if not model.SignatureDefsLength():
        return {}
    signature = model.SignatureDefs(0)
    maps = [signature.Inputs(i) for i in range(signature.InputsLength())]
    maps += [signature.Outputs(i) for i in range(signature.OutputsLength())]
    return {m.TensorIndex(): m.Name().decode() for m in maps}
