"""From a frozen graph to a LiteRT file: TensorFlow's converter, without its detours."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from optim import litert
from optim._keras import tf
from optim.errors import ExportError, OptimError, Problem
from optim.exporting.failure import explain
from optim.exporting.freeze import Frozen
from optim.exporting.modes import Mode
from optim.verification.flatbuffer import read_subgraphs
from optim.verification.naming import layer_of

_CONTROL_FLOW = ("WHILE", "IF")

Feeds = Callable[[], Iterable[list[Any]]]


def convert(frozen: Frozen, mode: Mode, io_dtype: str, feeds: Feeds | None) -> bytes:
    """Convert a frozen graph.

    Args:
        frozen: the graph.
        mode: how to quantize it.
        io_dtype: dtype of the floating-point inputs and outputs in the file.
        feeds: for modes that calibrate: a function that returns the samples, each a list
            of arrays in input order.

    Returns:
        The file.

    Raises:
        ExportError: the converter refuses; the message names operations and layers.
    """
    if mode.scheme == "int16x8":
        _check_biases(frozen)
    converter = _converter_class()(frozen)
    converter.optimizations = [tf.lite.Optimize.DEFAULT] if mode.quantizes else []
    converter.target_spec.supported_ops = [getattr(tf.lite.OpsSet, name) for name in mode.ops]
    converter.target_spec.supported_types = [tf.as_dtype(t) for t in mode.types]
    if feeds is not None:
        converter.representative_dataset = feeds
    if io_dtype != "float32":
        converter.inference_input_type = tf.as_dtype(io_dtype)
        converter.inference_output_type = tf.as_dtype(io_dtype)
    try:
        with _quiet():
            return bytes(converter.convert())
    except OptimError:  # what the samples, or the check for loops, have to say
        raise
    except Exception as error:  # ConverterError and RuntimeError, from several modules
        raise explain(error, frozen.model_name) from error


def _converter_class() -> Any:
    """A `tf.lite.TFLiteConverter` that takes a graph that is frozen already."""

    class Converter(tf.lite.TFLiteConverter):  # type: ignore[misc, name-defined]
        def __init__(self, frozen: Frozen) -> None:
            super().__init__([frozen], _NoDebugInfo())
            self._frozen = frozen
            self.experimental_lower_to_saved_model = False
            self.exclude_conversion_metadata = True  # ours says more

        def _freeze_concrete_function(self) -> tuple[Any, list[Any], list[Any], Any]:
            frozen = self._frozen
            return frozen.graph_def, frozen.inputs, frozen.outputs, frozen

        def _quantize(self, result: bytes, *args: Any, **kwargs: Any) -> bytes:
            _check_loops(result, self._frozen)
            return bytes(super()._quantize(result, *args, **kwargs))

    return Converter


def _check_loops(content: bytes, frozen: Frozen) -> None:
    """Refuse to calibrate a file with loops: LiteRT's calibrator would end the process."""
    graph = read_subgraphs(litert.parse(content), frozen.model_name, ())[0]
    if not any(op.name in _CONTROL_FLOW for op in graph.operations):
        return
    reason = "LiteRT cannot calibrate a model with loops or branches"
    remedy = "make recurrent layers with unroll=True, or export with optimize='dynamic'"
    raise _refusal(frozen, frozen.loops, reason, remedy)


def _check_biases(frozen: Frozen) -> None:
    """Refuse a bias of several operations: it gets the input scale of one of them only."""
    names = frozen.shared_biases
    if names:
        reason = "its bias serves several operations, which LiteRT's int16 quantizer gets wrong"
        raise _refusal(frozen, names, reason, "give each call a layer of its own, or use int8")


def _refusal(frozen: Frozen, names: Iterable[str], reason: str, remedy: str) -> ExportError:
    layers = dict.fromkeys(layer_of(name, frozen.model_name) for name in names)
    return ExportError(Problem(layer, reason, remedy) for layer in layers)


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
