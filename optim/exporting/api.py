"""`export`: one call from a Keras model to a LiteRT file."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize_layer,
    quantize_wrapper,
)

from optim._keras import accepted
from optim.clustering.api import without_clusters
from optim.clustering.wrapper import clustered_layers
from optim.errors import ExportError, OptimError, UnsupportedModelError
from optim.exporting import checks, passes
from optim.exporting.agreement import (
    Planned,
    check_agreement,
    check_ends,
    float_kernels,
    planned,
)
from optim.exporting.convert import convert
from optim.exporting.converter_errors import with_channels
from optim.exporting.freeze import Frozen, freeze, without_fake_quant
from optim.exporting.modes import PTQ, SIMULATED, Mode
from optim.exporting.post_training import is_simulated, simulated
from optim.exporting.recurrent.file_pass import refuse_int16
from optim.exporting.trial import check_runs
from optim.graph.reader import read
from optim.litert.flatbuffer import LiteRTFile, opened
from optim.litert.metadata import annotate
from optim.litert.writer import pack, unpack
from optim.models.signature import Interface, interface
from optim.pruning.api import without_masks
from optim.pruning.wrapper import pruned_layers
from optim.quantization.building.builder import build
from optim.quantization.calibration.uncalibrated import warn_if_uncalibrated
from optim.quantization.lowering.driver import lower
from optim.quantization.quantizers.preserving import kept_numbers, settled
from optim.quantization.recurrent.placeholder import collecting
from optim.quantization.recurrent.rules import is_recurrent

_LARGE = 1 << 26  # numbers in weights

_QUANTIZED = (
    quantize_layer.QuantizeLayer,
    quantize_wrapper.QuantizeWrapper,
    quantize_wrapper.QuantizeWrapperV2,
)


def export(
    model: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    input_shape: Any = None,
    io_dtype: str = "float32",
    representative_data: Any = None,
    optimize: str | None = None,
) -> bytes:
    """Write a model as a LiteRT (`.tflite`) file.

    Args:
        model: a built `tf_keras.Model`: a float one; one for quantization-aware training,
            made by `optim.quantize_model` or by tfmot; or a pruned or clustered one, whose
            wrappers are left behind. Not modified.
        path: where to write the file; None: nowhere. The file appears complete or not at all.
        input_shape: sizes of the input, such as `(224, 224, 3)`, where the model leaves them
            open; several inputs: a list of shapes, or a dict by input name. A shape of full
            rank includes the batch, `None` in it keeps a size open. The batch is 1 otherwise.
        io_dtype: dtype of floating-point inputs and outputs in the file: "float32"; with an
            int8 file also "int8" or "uint8"; with an int16x8 file also "int16".
        representative_data: inputs to take ranges from, for `optimize="int8"` and "int16x8",
            and for quantization-aware models of scheme "int16x8", whose ranges the converter
            does not take over: an array, a list or generator of batches, or a
            `tf.data.Dataset` that ends. A batch has the batch axis first and, for several
            inputs, is a list in their order or a dict by name; an `(inputs, targets)` tuple
            counts as its inputs.
        optimize: post-training quantization of a float model: "dynamic" (int8 weights),
            "int8" (weights and activations), "int16x8" (int16 activations, int8 weights),
            "float16" (weights). None: a float file, or the scheme of a quantization-aware
            model.

    Returns:
        The content of the file. It names inputs and outputs like the model (signature
        `serving_default`) and holds a metadata entry `optim` (see `optim.verify`).

    Warns:
        UserWarning: activation ranges of a quantization-aware model are as they were made,
            because it was neither calibrated nor trained; or an input or output stays float32
            that is to be an integer, because what is next to it is float.

    Raises:
        KerasModelError: not a model of the chosen Keras module.
        ConfigError: an argument makes no sense; said before the work starts.
        UnsupportedModelError: the model was never built.
        ExportError: LiteRT lacks an operation, refuses the model otherwise, or does not run the
            file; or weights are NaN or infinite.
        OSError: the file cannot be written.
    """
    model = accepted(model, "export")
    target = checks.check_path(path)
    pruned, clustered = bool(pruned_layers(model)), bool(clustered_layers(model))
    qat_bits = _activation_bits(model)
    mode = checks.check_mode(qat_bits, optimize)
    checks.check_io_dtype(io_dtype, mode)
    io = interface(model, input_shape)
    samples = checks.check_data(representative_data, io, mode)

    checks.check_values(model, mode)
    if qat_bits and not mode.drops_fake_quants:
        warn_if_uncalibrated(model)
    techniques = ["prune"] * pruned + ["cluster"] * clustered
    bare = _bare(model, pruned, clustered)
    if mode is PTQ["int8"] and samples is not None and is_simulated(bare):
        bare = model = simulated(bare, samples, io)
        mode = SIMULATED
    ready = _prepare(bare, model, mode, io)
    again = bare if mode is PTQ["int8"] and samples is not None else None
    del bare  # not held while the converter works, unless it may be asked for again
    if ready.is_large:
        gc.collect()  # Keras models are cycles: a stripped or lowered one would stay a while
    try:
        file = _convert(ready, io, io_dtype, samples, techniques)
    except ExportError as error:
        raise with_channels(error, model) from error.__cause__
    try:
        check_runs(file, ready.frozen.model_name)
    except ExportError:
        # Ranges as the converter's calibrator takes them can be such that no kernel does.
        other = _instead(again, io, io_dtype, representative_data, techniques)
        if other is None:
            raise
        file = other
    check_ends(file, io_dtype)
    content = bytes(file.content)
    if target is not None:
        _write(target, content)
    return content


def _instead(
    bare: Any, io: Interface, io_dtype: str, data: Any, techniques: Sequence[str]
) -> LiteRTFile | None:
    """The file by way of a quantization-aware model; None if there is none either."""
    if bare is None:
        return None
    try:
        samples = checks.check_data(data, io, PTQ["int8"])  # refuses what can be read but once
        if samples is None:
            return None
        model = simulated(bare, samples, io)
        ready = _prepare(model, model, SIMULATED, io)
        file = _convert(ready, io, io_dtype, None, techniques)
        check_runs(file, ready.frozen.model_name)
    except OptimError:
        return None
    return file


@dataclass(frozen=True)
class _Ready:
    """What a file is made of, without the Keras model."""

    mode: Mode
    frozen: Frozen
    plan: Planned
    known: passes.Known
    is_large: bool


def _prepare(bare: Any, model: Any, mode: Mode, io: Interface) -> _Ready:
    """Take from a model what its file is made of.

    Args:
        bare: the model without wrappers of pruning and clustering.
        model: the model itself.
    """
    with settled(model), collecting() as recurrent:
        plan = planned(model) if mode.technique == "qat" or mode is SIMULATED else {}
        known = passes.Known(
            tuple(kept_numbers(model)), tuple(float_kernels(model, plan)), recurrent
        )
        frozen = freeze(_lowered(bare) if mode.lowers else bare, io)
    if mode.drops_fake_quants:
        refuse_int16(recurrent)
        frozen = without_fake_quant(frozen)
    # A vocabulary counts as a weight, and has no shape.
    size = sum(w.shape.num_elements() for w in bare.weights if hasattr(w, "shape"))
    return _Ready(mode, frozen, plan, known, size > _LARGE)


def _convert(
    ready: _Ready, io: Interface, io_dtype: str, samples: Any, techniques: Sequence[str]
) -> LiteRTFile:
    """Make the file, and see that it is as planned.

    Args:
        io_dtype, samples: as `export` has them.
        techniques: that the wrappers stood for.
    """
    mode, frozen, recurrent = ready.mode, ready.frozen, ready.known.recurrent
    feeds = samples.pieces if mode.calibrates and samples else None
    content = convert(frozen, mode, io_dtype, feeds, ready.plan, custom=bool(recurrent))
    tables = unpack(content)
    for file_pass in passes.FILE_PASSES:
        file_pass(tables, ready.known)
    facts = {
        "model": frozen.model_name,
        "techniques": [*techniques, mode.technique],
        "scheme": mode.scheme,
        "io_dtype": io_dtype,
    }
    annotate(tables, io.input_names, frozen.output_names, facts)
    file = opened(pack(tables))
    check_agreement(file.root, frozen.model_name, frozen.output_names, ready.plan)
    return file


def _bare(model: Any, pruned: bool, clustered: bool) -> Any:
    """The model without the wrappers of pruning and clustering."""
    if pruned:
        model = without_masks(model)
    return without_clusters(model) if clustered else model


def _activation_bits(model: Any) -> int:
    """Most bits that a quantizer of the model has; 0 if it has none."""
    bits = 0
    for layer in model._flatten_layers():
        if isinstance(layer, _QUANTIZED):
            config = getattr(layer, "quantize_config", None)
            quantizers = [getattr(layer, "quantizer", None)]
            if config is not None:
                quantizers = list(config.get_output_quantizers(layer.layer))
            bits = max([bits, 8, *(getattr(q, "num_bits", 8) for q in quantizers)])
    return bits


def _lowered(model: Any) -> Any:
    """The same model of layers that LiteRT runs as single int8 operations, where possible."""
    try:
        graph = read(model)
        for node in graph.nodes:
            if is_recurrent(node):  # the converter has forms of its own for these
                node.skip = "the converter's own"
        return build(lower(graph))
    except UnsupportedModelError:  # no graph to read; the converter takes any model
        return model


def _write(path: Path, content: bytes) -> None:
    """Write a file at once: whoever looks sees the old one or the new one."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp's files are private
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
