"""Data of a kind that no model takes is refused with what is expected, wherever it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf

K = keras.layers
VALUES = np.random.default_rng(0).normal(size=(4, 4))

UNUSABLE = {
    "complex": VALUES.astype("complex64"),
    "strings": VALUES.astype(str),
    "bytes": VALUES.astype("S"),
    "dates": np.zeros((4, 4), "datetime64[s]"),
    "records": np.zeros((4, 4), [("a", "f4")]),
}
USABLE = {
    "bool": VALUES > 0,
    "int64": (10 * VALUES).astype("int64"),
    "float64": VALUES,
    "float16": VALUES.astype("float16"),
    "bfloat16": tf.cast(VALUES, tf.bfloat16).numpy(),
}


def network() -> Any:
    inputs = K.Input((4,), name="numbers")
    return keras.Model(inputs, K.Dense(2)(inputs))


def exported(model: Any, data: Any) -> Any:
    return optim.export(model, optimize="int8", representative_data=data)


USES: dict[str, Callable[[Any, Any], Any]] = {
    "quantize_model": lambda model, data: optim.quantize_model(model, calibration_data=data),
    "calibrate": lambda model, data: optim.calibrate(optim.quantize_model(model), data),
    "export": exported,
    "debug": lambda model, data: optim.debug(
        optim.quantize_model(model, calibration_data=VALUES.astype("float32")), data
    ),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_kind_that_is_no_real_number(kind: str, use: str) -> None:
    with pytest.raises(optim.OptimError) as caught:
        USES[use](network(), UNUSABLE[kind])
    message = str(caught.value)
    assert "data for input 'numbers' has the dtype" in message
    assert "the model takes float32" in message
    assert ("its real part" in message) == (kind == "complex")


@pytest.mark.parametrize("kind", USABLE)
def test_real_numbers_of_any_kind_calibrate(kind: str) -> None:
    model = optim.quantize_model(network(), calibration_data=USABLE[kind])
    given = USABLE[kind].astype("float32")
    report = optim.verify(optim.export(model), {"simulation": model}, given)
    assert report.comparisons[0].sqnr > 35


@pytest.mark.parametrize("mode", ["int8", "int16x8"])
def test_numbers_beyond_the_dtype_of_the_model(mode: str) -> None:
    """The converter's calibrator ended the process at them."""
    with pytest.raises(optim.OptimError, match="float32 cannot hold: scale the data"):
        optim.export(network(), optimize=mode, representative_data=VALUES * 1e300)
