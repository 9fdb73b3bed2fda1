"""`quantize_model`: read, lower, plan, build, and calibrate, in one call."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from optim._keras import accepted
from optim.models.finite import check_finite
from optim.quantization.building.builder import build
from optim.quantization.building.float_edges import marked
from optim.quantization.building.grid_chains import tied
from optim.quantization.calibration.calibrate import calibrate, set_weight_ranges
from optim.quantization.planning.checks import without_kernel
from optim.quantization.planning.plan import Plan
from optim.quantization.planning.planner import plan
from optim.quantization.planning.requests import Configs, Skip
from optim.quantization.planning.schemes import Scheme
from optim.quantization.quantizers.preserving import take


def quantize_model(
    model: Any,
    *,
    scheme: str | Scheme = "int8",
    skip: Skip | Iterable[Skip] = (),
    configs: Configs | None = None,
    preserve: str | None = None,
    calibration_data: Any = None,
) -> Any:
    """Return a quantization-aware-training model made from a float one.

    Args:
        model: Functional, Sequential, or a subclassed model that can be traced; nested
            models, shared layers, op layers, several inputs and outputs. Not modified. Of one
            of Keras 3, its twin (`optim.from_keras3`) is taken.
        scheme: "int8" (per-channel weights, per-tensor activations), "int8-per-tensor",
            "int16x8", or a `Scheme`.
        skip: layers to leave float: name patterns, layer classes, or predicates of a
            layer; one or several.
        configs: layer name pattern, layer class or predicate -> tfmot `QuantizeConfig` for
            it, or a factory of one. Such a layer is wrapped as it is; no rule touches it.
        preserve: what training must not undo: "sparsity", the zeros of a pruned model
            (`unprune` it first); "clusters", the few values of each kernel of a clustered
            one (`uncluster` it first), which then has one range; or "both". None: nothing. Of
            layers that stay float nothing is kept; a warning names them.
        calibration_data: batches to take activation ranges from (see `calibrate`). None:
            ranges start at -6 and 6, as in tfmot, and training moves them.

    Returns:
        A `tf_keras.Model` with tfmot's quantize wrappers. Name, weights, input and output
        order, output names, dtype and compile state are those of `model`.

    Warns:
        UserWarning: LiteRT has no kernel for some layers, even as float: the model can be
            trained, but not exported; or `preserve` does not keep everything.

    Raises:
        KerasModelError: not a model of the chosen Keras module.
        ConfigError: no such scheme; `skip`, `configs` or `preserve` make no sense; a
            calibration batch does not fit the model.
        UnsupportedModelError: what cannot be quantized: all of it, with remedies; or a model
            that still has wrappers of pruning or clustering, is quantized already, or has weights
            that are NaN or infinite.
    """
    model = accepted(model, "quantize_model")
    check_finite(model._flatten_layers(include_self=False), "quantize_model")
    decided: Plan = plan(model, scheme, skip=skip, configs=configs, preserve=preserve)
    lacking = without_kernel(decided.entries)
    if lacking:
        told = "; ".join(map(str, lacking))
        warnings.warn(f"quantize_model: optim.export will refuse the model: {told}", stacklevel=2)
    quantized = build(decided.graph, marked(tied(decided)))
    if preserve is not None:
        keeping = take(quantized)
        if decided.unkept:
            warnings.warn(
                f"quantize_model: preserve={preserve!r}, but training undoes it where no quantizer "
                f"preserves it, in {', '.join(decided.unkept)}. To keep these kernels as they are, "
                "set `trainable = False` on their layers",
                stacklevel=2,
            )
        elif not keeping and not decided.wanted:
            warnings.warn(
                f"quantize_model: preserve={preserve!r}, but no kernel of {model.name!r} has any "
                "to preserve: prune or cluster it first",
                stacklevel=2,
            )
    set_weight_ranges(quantized)
    if calibration_data is not None:
        calibrate(quantized, calibration_data)
    return quantized
