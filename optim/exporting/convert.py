"""From a frozen graph to a LiteRT file: TensorFlow's converter, without its detours."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from optim import litert
from optim._keras import tf
from optim.errors import ExportError, OptimError, Problem
from optim.exporting.agreement import Planned, is_float
from optim.exporting.converter_errors import explain
from optim.exporting.file_passes import float_layers
from optim.exporting.freeze import Frozen
from optim.exporting.modes import Mode
from optim.exporting.states import as_module
from optim.litert.layer_names import layer_of
from optim.litert.operators import operator
from optim.litert.reader import read_subgraphs
from optim.litert.writer import pack, unpack

Feeds = Callable[[], Iterable[list[Any]]]


def convert(
    frozen: Frozen,
    mode: Mode,
    io_dtype: str,
    feeds: Feeds | None,
    plan: Planned | None = None,
    custom: bool = False,
) -> bytes:
    """Convert a frozen graph.

    Args:
        frozen: the graph.
        mode: how to quantize it.
        io_dtype: dtype of the floating-point inputs and outputs in the file.
        feeds: for modes that calibrate: a function that returns the samples, each a list
            of arrays in input order.
        plan: which layers have to be float in a file of scheme "int16x8".
        custom: whether there are operations in it that stand for others.

    Returns:
        The file.

    Raises:
        ExportError: the converter refuses; the message names operations and layers.
    """
    converter = _converter_class()(frozen)
    converter.optimizations = [tf.lite.Optimize.DEFAULT] if mode.quantizes else []
    converter.target_spec.supported_ops = [getattr(tf.lite.OpsSet, name) for name in mode.ops]
    converter.target_spec.supported_types = [tf.as_dtype(t) for t in mode.types]
    converter.allow_custom_ops = custom
    if feeds is not None:
        converter.representative_dataset = feeds
    if io_dtype != "float32":
        converter.inference_input_type = tf.as_dtype(io_dtype)
        converter.inference_output_type = tf.as_dtype(io_dtype)
    try:
        with _quiet():
            content = bytes(converter.convert())
    except OptimError:  # what the samples, or the check for loops, have to say
        raise
    except Exception as error:  # ConverterError and RuntimeError, from several modules
        raise explain(error, frozen.model_name) from error
    if converter.unquantized is not None and plan and any(plan.values()):
        file, original = unpack(content), unpack(converter.unquantized)
        meant = partial(is_float, model_name=frozen.model_name, plan=plan)
        if float_layers.restore(file, original, frozen.output_names, meant):
            content = pack(file)
    if mode.scheme == "int16x8":
        _check_int16(content, frozen)
    return content


def _converter_class() -> Any:
    """A `tf.lite.TFLiteConverter` that takes a graph that is frozen already."""

    class Converter(tf.lite.TFLiteConverter):  # type: ignore[misc, name-defined]
        def __init__(self, frozen: Frozen) -> None:
            functions, owner = [frozen], _NoDebugInfo()
            if frozen.states is not None:
                functions, owner = as_module(frozen)
            super().__init__(functions, owner)
            self._frozen = frozen
            self._loops = frozen.loops
            # Variables get to the file by way of a SavedModel alone.
            self.experimental_lower_to_saved_model = frozen.states is not None
            self.unquantized: bytes | None = None
            self.exclude_conversion_metadata = True  # ours says more

        def _freeze_concrete_function(self) -> tuple[Any, list[Any], list[Any], Any]:
            frozen = self._frozen
            return frozen.handed_over(), frozen.inputs, frozen.outputs, frozen

        def _optimize_tflite_model(self, *args: Any, **kwargs: Any) -> bytes:
            # Not the pass that shares equal constants: see `writer.share_equal`.
            self._experimental_use_buffer_offset = True
            try:
                return bytes(super()._optimize_tflite_model(*args, **kwargs))
            finally:
                self._experimental_use_buffer_offset = False

        def _quantize(self, result: bytes, *args: Any, **kwargs: Any) -> bytes:
            _check_loops(result, self._frozen, self._loops)
            self.unquantized = result
            return bytes(super()._quantize(result, *args, **kwargs))

    return Converter


def _check_loops(content: bytes, frozen: Frozen, loops: list[str]) -> None:
    """Refuse to calibrate a file with loops: LiteRT's calibrator would end the process."""
    graph = read_subgraphs(litert.parse(content), frozen.model_name, ())[0]
    if not any(operator(op.name).branches for op in graph.operations):
        return
    reason = "LiteRT cannot calibrate a model with loops or branches"
    remedy = (
        "make recurrent layers with unroll=True (ConvLSTM has none), or export with "
        "optimize='dynamic'"
    )
    layers = dict.fromkeys(layer_of(name, frozen.model_name) for name in loops)
    raise ExportError(Problem(layer, reason, remedy) for layer in layers)


def _check_int16(content: bytes, frozen: Frozen) -> None:
    """Refuse operations that the converter makes int16 and LiteRT cannot run as such."""
    graph = read_subgraphs(litert.parse(content), frozen.model_name, ())[0]
    ends = dict(zip(graph.outputs, frozen.output_names, strict=False))
    for op in reversed(graph.operations):  # the layer of an output goes by the output's name
        if operator(op.name).converts and op.outputs[0] in ends:
            ends[op.inputs[0]] = ends[op.outputs[0]]
    problems = {}
    for op in graph.operations:
        dtypes = {graph.tensors[i].dtype for i in (*op.inputs, *op.outputs)}
        why = operator(op.name).not_int16
        if why and dtypes & {"int8", "int16"}:
            layer = ends.get(op.outputs[0], op.layer) or frozen.model_name
            reason = f"operation {op.name}: {why}"
            remedy = "use int8, or take the layer out of the model"
            problems[layer, op.name] = Problem(layer, reason, remedy)
    if problems:
        raise ExportError(problems.values())


class _NoDebugInfo:
    """Stack traces of the operations: names say where they come from, at no cost."""

    @property
    def graph_debug_info(self) -> Any:
        from tensorflow.core.framework import graph_debug_info_pb2

        return graph_debug_info_pb2.GraphDebugInfo()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the converter's notes on its own history from the user."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Statistics for quantized inputs")
            yield
    finally:
        logger.setLevel(level)
