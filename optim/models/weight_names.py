"""Names of the weights that wrappers add to a layer."""

from __future__ import annotations

import re
from typing import Any


def unused_name(layer: Any, name: str) -> str:
    """Return a name that no weight of the layer itself has: HDF5 takes a name once per layer.

    It is the given one, or that with the number of the weights which have it already.
    """
    alike = re.compile(rf"{re.escape(name)}(_\d+)?(:\d+)?")
    own = [*layer._trainable_weights, *layer._non_trainable_weights]
    count = sum(bool(alike.fullmatch(weight.name.rsplit("/")[-1])) for weight in own)
    return f"{name}_{count}" if count else name
