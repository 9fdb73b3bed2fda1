"""Values that are indices, whatever their dtype: no signal, and so not to be quantized."""

from __future__ import annotations

from typing import Any

from optim._keras import keras
from optim.graph.graph import Node, Value

K = keras.layers

#: They look up what their inputs number.
_LAYERS = tuple(
    getattr(K, name)
    for name in ("Embedding", "CategoryEncoding", "Discretization", "Hashing", "IntegerLookup")
    if hasattr(K, name)
)

#: Functions -> the place and the name of the argument that has indices.
_FUNCTIONS: dict[str, tuple[int, str]] = {
    "gather": (1, "indices"),
    "compat.v1.gather": (1, "indices"),
    "gather_nd": (1, "indices"),
    "nn.embedding_lookup": (1, "ids"),
    "compat.v1.nn.embedding_lookup": (1, "ids"),
    "one_hot": (0, "indices"),
}


def takes_indices(node: Node, value: Value) -> bool:
    """Whether a call takes a value as indices, or makes integers of it."""
    if isinstance(node.layer, _LAYERS):
        return True
    if node.symbol == "cast":
        return not node.output.is_float
    if node.symbol not in _FUNCTIONS:
        return False
    place, name = _FUNCTIONS[node.symbol]
    given: Any = node.args[place] if len(node.args) > place else node.kwargs.get(name)
    return given is value
