"""What is asked of both int8 files of a model: by training, and after it."""

from __future__ import annotations

import warnings
from typing import Any

import optim


def check_int8(model: Any, samples: Any, least: float = 25) -> bytes:
    """See that both are int8 throughout, by plan and without a warning, and close to the model.

    Args:
        model: a float one.
        samples: a batch, that ranges are from and outputs are compared on.
        least: dB to the float model, and to the one that simulates int8.

    Returns:
        The file by training.
    """
    assert not optim.plan(model).floats
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="export: the file has float")
        quantized = optim.quantize_model(model, calibration_data=[samples])
        trained = optim.export(quantized)
        after = optim.export(model, optimize="int8", representative_data=[samples])
    for content in (trained, after):
        report = optim.verify(content, {"float": model, "simulation": quantized}, samples)
        assert not report.islands
        assert min(one.sqnr for one in report.comparisons) > least
    return trained
