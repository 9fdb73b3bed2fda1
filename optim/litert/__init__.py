"""LiteRT files, without TensorFlow: read, described, changed and run."""

from optim.litert.damage import damage_refused
from optim.litert.ends import TensorDetails, ends
from optim.litert.flatbuffer import (
    Content,
    LiteRTFile,
    dtype_name,
    integer_range,
    mapped,
    opened,
    operator_name,
    parse,
    read,
    schema,
)
from optim.litert.runtime import Latency, Runtime

__all__ = [
    "Content",
    "Latency",
    "LiteRTFile",
    "Runtime",
    "TensorDetails",
    "damage_refused",
    "dtype_name",
    "ends",
    "integer_range",
    "mapped",
    "opened",
    "operator_name",
    "parse",
    "read",
    "schema",
]
