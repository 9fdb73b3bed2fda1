"""The names that Keras gives to layers: how far it has counted, and counting on from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Names:
    """How far Keras has counted the names that it gives, and which it has seen.

    Attributes:
      layers: by kind, of layers. Keras counts these for TensorFlow's default graph.
      inputs: by kind, of what it counts for a graph of its own.
      seen: names that layers were given by hand.
    """

    layers: Mapping[Any, int]
    inputs: Mapping[Any, int]
    seen: frozenset[str]


def names() -> Names:
    """Return how far Keras has counted the names that it gives."""
    from tf_keras.src import backend

    layers, inputs = (dict(counted) for counted in _counters())
    return Names(layers, inputs, frozenset(backend.OBSERVED_NAMES))


def set_names(found: Names) -> None:
    """Forget what Keras keeps of models, and have it count from where it once was."""
    from tf_keras.src import backend

    backend.clear_session()
    layers, inputs = _counters()
    layers.update(found.layers)
    inputs.update(found.inputs)
    backend.OBSERVED_NAMES.update(found.seen)


def _counters() -> tuple[dict[Any, int], dict[Any, int]]:
    """Return what Keras counts in, as it stands: of layers, and of inputs."""
    import collections

    from tf_keras.src import backend

    own = backend.PER_GRAPH_OBJECT_NAME_UIDS.setdefault(
        backend.get_graph(), collections.defaultdict(int)
    )
    return backend.get_default_graph_uid_map(), own
