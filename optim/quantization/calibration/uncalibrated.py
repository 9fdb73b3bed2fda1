"""Finding the activation ranges that neither data nor training ever moved."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from optim._keras import tfmot

_Q = tfmot.quantization.keras.quantizers
# Where the ranges of tfmot's quantizers start, and ours with them.
_STARTS = {_Q.MovingAverageQuantizer: (-6.0, 6.0), _Q.AllValuesQuantizer: (0.0, 0.0)}


def warn_if_uncalibrated(model: Any) -> None:
    """Warn of a quantization-aware model with activation ranges as they were made.

    Its input is clipped to 0, its activations to [-6, 6]: the file would be of no use, and
    nothing about it would say why.
    """
    names = list(dict.fromkeys(_untouched(model)))
    if not names:
        return
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    warnings.warn(
        f"activation ranges that were never calibrated or trained: {listed}. The file will "
        "compute nonsense. Call optim.calibrate(model, data), or give quantize_model "
        "calibration_data",
        stacklevel=3,
    )


def _untouched(model: Any) -> Iterator[str]:
    for layer in model._flatten_layers():
        for quantizer, variables in _ranges(layer):
            start = next((s for kind, s in _STARTS.items() if isinstance(quantizer, kind)), None)
            if start is None or not isinstance(variables, dict):
                continue
            if tuple(float(variables[end].numpy()) for end in ("min_var", "max_var")) == start:
                yield layer.name


def _ranges(layer: Any) -> Iterator[tuple[Any, Any]]:
    """Quantizers of outputs, each with its range variables: tfmot's and ours."""
    if hasattr(layer, "quantizer_vars"):
        yield layer.quantizer, layer.quantizer_vars
    variables = getattr(layer, "_output_quantizer_vars", None)
    if variables:
        several = variables if isinstance(variables, (list, tuple)) else [variables]
        yield from zip(layer._output_quantizers, several, strict=False)
