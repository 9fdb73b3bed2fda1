"""LiteRT files, without TensorFlow: read, described, changed and run."""

from optim.litert.damage import damage_refused
from optim.litert.ends import TensorDetails, ends
from optim.litert.flatbuffer import (
    Content,
    dtype_name,
    integer_range,
    mapped,
    operator_name,
    parse,
    read,
    schema,
)
from optim.litert.runtime import Latency, Runtime

__all__ = [
    "Content",
    "Latency",
    "Runtime",
    "TensorDetails",
    "damage_refused",
    "dtype_name",
    "ends",
    "integer_range",
    "mapped",
    "operator_name",
    "parse",
    "read",
    "schema",
]
