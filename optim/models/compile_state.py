"""Carrying the compile state of a model over to a model made from it."""

from __future__ import annotations

import warnings
from typing import Any

from optim._keras import keras

# What Model.compile takes besides the optimizer, and what must be made anew because its
# instances hold state (metrics) or can be keyed by output name (all of these).
_KEYED = ("loss", "metrics", "weighted_metrics", "loss_weights")
_PLAIN = ("steps_per_execution", "pss_evaluation_shards")

#: What a model of one's own may do otherwise in training than Keras does.
_STEPS = (
    "train_step",
    "test_step",
    "predict_step",
    "compute_loss",
    "compute_metrics",
    "make_train_function",
    "make_test_function",
)


def own_steps(model: Any) -> list[str]:
    """Return what the class of a model does in training by itself."""
    return [name for name in _STEPS if getattr(type(model), name) is not getattr(keras.Model, name)]


def model_like(source: Any, inputs: Any, outputs: Any) -> Any:
    """Make a functional model that trains as another does.

    Args:
        source: the other one: of its class if that has steps of its own, and can be made of
            inputs and outputs.
        inputs, outputs: Keras tensors, in any structure.

    Warns:
        UserWarning: its steps, or losses that were added to it, are not kept.
    """
    steps = own_steps(source)
    added = _added(source)
    if added:
        _tell_added(source, added)
    if not steps:
        return keras.Model(inputs, outputs, name=source.name)
    cls = type(source)
    if source._is_graph_network and not issubclass(cls, keras.Sequential):
        try:
            return cls(inputs, outputs, name=source.name)
        except Exception:  # a class of one's own may want anything
            pass
    warnings.warn(
        f"{source.name!r}: {', '.join(steps)} of {cls.__name__} is not kept, as the class cannot "
        "be made of inputs and outputs: the new model trains as Keras does. Let __init__ take "
        "(inputs, outputs, **kwargs) and build the model with them",
        stacklevel=6,
    )
    return keras.Model(inputs, outputs, name=source.name)


def tell_of_functions(source: Any, target: Any, stacklevel: int = 7) -> None:
    """Warn of losses that are functions, added to a model from outside: they know its weights.

    Args:
        source: the original model.
        target: the one that was made of it.
        stacklevel: of the caller of the public function, seen from where the warning is given.
    """
    if len(_functions(target)) < len(_functions(source)):
        _tell_added(source, ["add_loss()"], stacklevel)


def _tell_added(source: Any, added: list[str], stacklevel: int = 7) -> None:
    warnings.warn(
        f"{source.name!r}: what was added with {' and '.join(added)} is not kept. Add it to the "
        "new model, or compute it in a layer, which keeps it",
        stacklevel=stacklevel,
    )


def _functions(model: Any) -> list[Any]:
    """The functions that were given to `add_loss` of a model, or of models within it."""
    models = [one for one in model._flatten_layers() if isinstance(one, keras.Model)]
    return [loss for one in models for loss in one._callable_losses]


def _added(model: Any) -> list[str]:
    """How losses and metrics of tensors were added to a functional model, outside its layers."""
    if not model._is_graph_network or min(model._nodes_by_depth, default=0) >= 0:
        return []
    classes = {type(layer).__name__ for layer in model.layers}
    found = {"AddLoss": "add_loss()", "AddMetric": "add_metric()"}
    return [word for name, word in found.items() if name in classes]


def copy_compile_state(source: Any, target: Any) -> None:
    """Compile `target` as `source` is compiled; do nothing if `source` is not.

    The optimizer and the metrics are new objects made from the originals' configs, so
    the two models train independently. The optimizer's slots and step count are not
    carried over: they belong to variables that `target` does not have. Losses, metrics
    and weights that are keyed by output name are keyed by the new name of that output.

    Args:
        source: the original model; not modified.
        target: a model with as many outputs, in the same order.
    """
    if not getattr(source, "_is_compiled", False):
        return
    recorded = dict(source._compile_config.config) if hasattr(source, "_compile_config") else {}
    # A custom `compile` may not record its arguments; these four are always there.
    recorded = {**source._get_compile_args(), **{k: v for k, v in recorded.items() if k in _PLAIN}}
    renamed = dict(
        zip(
            getattr(source, "output_names", None) or (),
            getattr(target, "output_names", None) or (),
            strict=False,
        )
    )
    arguments = {name: _rebuild(recorded.get(name), renamed) for name in _KEYED}
    arguments.update({name: recorded[name] for name in _PLAIN if recorded.get(name) is not None})
    target.compile(
        optimizer=_rebuild(source.optimizer, {}),
        run_eagerly=source._run_eagerly,
        jit_compile=source._jit_compile,
        **arguments,
    )


def _rebuild(value: Any, renamed: dict[str, str]) -> Any:
    """Copy a structure of compile arguments; objects with a config are made anew."""
    if isinstance(value, dict):
        return {renamed.get(key, key): _rebuild(item, renamed) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_rebuild(item, renamed) for item in value)
    if isinstance(value, type) or not hasattr(value, "get_config"):
        return value
    return type(value).from_config(value.get_config())
