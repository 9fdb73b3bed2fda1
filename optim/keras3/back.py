"""`to_keras3`: the weights of a twin, back in the model that it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from optim._keras import check_model
from optim.errors import Problem, UnsupportedModelError
from optim.keras3.api import check
from optim.keras3.converter import make_twin
from optim.keras3.weights import numbers
from optim.models.clone import walk
from optim.wrapping.kinds import check_unwrapped


def to_keras3(model: Any, *, like: Any) -> Any:
    """Put the weights of a twin into the model of Keras 3 that it was made of.

    Zeros and the few values of clusters are kept, as every weight is copied as it is. The model is
    then saved, loaded and trained by Keras 3 as before.

    Args:
        model: what `optim.from_keras3` made of `like`, or a pruned, clustered or sparsified
            copy of it, after `optim.unprune` or `optim.uncluster`. Not modified.
        like: the model of Keras 3. Its weights are overwritten, all or none.

    Returns:
        `like`.

    Raises:
        KerasModelError: `model` is not of tf_keras, or `like` not of Keras 3.
        KerasModuleError: Keras 3 does not run on TensorFlow.
        UnsupportedModelError: `model` has wrappers, or other layers than the twin of `like`.
    """
    check(like, "to_keras3")
    check_model(model, "to_keras3")
    check_unwrapped(model)
    twin = make_twin(like)
    variables = {id(weight): variable for variable, weight in twin.pairs}
    trained = dict(_weights(model))
    expected = dict(_weights(twin.model))
    problems = list(_differences(trained, expected))
    if problems:
        raise UnsupportedModelError(
            problems, f"to_keras3: {model.name!r} is no twin of {like.name!r}"
        )
    assigned = [
        (variables[id(weight)], numbers(trained[path]))
        for path, weight in expected.items()
        if id(weight) in variables
    ]
    for variable, value in assigned:
        variable.assign(value)
    for layer in like._flatten_layers():
        if getattr(layer, "adapt_mean", None) is not None:  # constants are made of weights
            layer.finalize_state()
    return like


def _weights(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield the weights of a model by path and place in their layer.

    Not in the order of `model.weights`, which depends on what is trainable.
    """
    for layer, path in walk(model):
        found = [
            weight
            for part in layer._flatten_layers()
            for weight in part._trainable_weights + part._non_trainable_weights
        ]
        for place, weight in enumerate(found):
            yield f"{path}:{place}", weight


def _differences(trained: dict[str, Any], expected: dict[str, Any]) -> Iterator[Problem]:
    remedy = "give the twin of this very model, unpruned or unclustered, with all its layers"
    for key, weight in expected.items():
        path = key.rpartition(":")[0]
        if key not in trained:
            yield Problem(path, "has no such layer, or fewer weights there", remedy)
        elif tuple(trained[key].shape) != tuple(weight.shape):
            shapes = f"{tuple(trained[key].shape)} instead of {tuple(weight.shape)}"
            yield Problem(path, f"has a weight of shape {shapes}", remedy)
    for key in trained.keys() - expected.keys():
        yield Problem(key.rpartition(":")[0], "is a layer that it does not have", remedy)
