"""Every constructor of `keras.applications`, both variants: seconds to minutes each."""

from __future__ import annotations

import applications
import pytest


@pytest.mark.slow
@pytest.mark.parametrize("variant", applications.VARIANTS)
@pytest.mark.parametrize("name", applications.NAMES)
def test_exact_all_int8_and_saved_to_the_bit(name: str, variant: str) -> None:
    figures = applications.measure(name, variant)
    assert figures["error"] <= 1e-4
    assert figures["floats"] == 0
    assert figures["finite"]
    assert figures["keras"]
    assert figures["h5"]
