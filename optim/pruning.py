"""Magnitude pruning of any model, nested ones included."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from optim._clone import Copier, clone_model, is_network, plain_variable, walk
from optim._compile import copy_compile_state
from optim._keras import check_layer, check_model, keras, require, tfmot
from optim.errors import ConfigError
from optim.pruning_wrapper import (
    AnyPruneLowMagnitude,
    PruneLowMagnitude,
    is_prunable,
    kernels,
    pruned_layers,
)
from optim.scope import custom_object_scope

__all__ = ["get_pruning_callbacks", "prune_low_magnitude", "unprune"]


def prune_low_magnitude(
    to_prune: Any,
    *,
    skip: Any = (),
    pruning_schedule: Any = None,
    block_size: tuple[int, int] = (1, 1),
    block_pooling_type: str = "AVG",
    pruning_policy: Any = None,
    sparsity_m_by_n: tuple[int, int] | None = None,
    **kwargs: Any,
) -> Any:
    """Prepare a model, a layer or a list of layers for magnitude pruning.

    Layers with a prunable kernel (`optim.pruning_wrapper.PRUNABLE`, extended by
    `register_prunable`) are wrapped in tfmot's `PruneLowMagnitude`. Any other layer is
    passed through: pre-processing, normalization, op layers, custom layers. Nested models
    are pruned inside and stay nested.

    Train with `get_pruning_callbacks()`, then call `unprune`.

    Args:
        to_prune: a Functional or Sequential model; a layer; or a list of layers.
        skip: layers to leave alone: a name or `fnmatch` pattern, matched with the layer's
            name and with its path (`"stem/conv_*"`); a layer class; a predicate on the
            layer; or a sequence of those.
        pruning_schedule: a tfmot `PruningSchedule`; `ConstantSparsity(0.5, 0)` by default.
        block_size: shape of the blocks that are pruned together. tfmot prunes blocks only in
            kernels of rank 2 that are larger than one block on both axes; layers with other
            kernels are passed through.
        block_pooling_type: how to score a block, `"AVG"` or `"MAX"`.
        pruning_policy: a tfmot `PruningPolicy`; layers it does not allow are passed through.
        sparsity_m_by_n: `(m, n)`, m zeros among n consecutive values, such as (2, 4). tfmot
            does this in kernels of rank 2 and 4; layers with others are passed through.
        **kwargs: for a layer or a list: more arguments for the wrapper layer.

    Returns:
        For a model, a new one with the same weights (the original is not modified) and the
        original's compile state: same losses, metrics and weights, a new optimizer made
        from the original's config. For a layer, the wrapper around that very layer, or the
        layer itself if it is passed through. For a list, a list of those.

    Raises:
        KerasModelError: not something of tf_keras.
        UnsupportedModelError: a subclassed model, or layers that cannot be copied.
        ConfigError: bad `skip`, or one that names a layer the model does not have.
        ValueError, TypeError: bad pruning parameters.
    """
    skips = _skip_rule(skip)
    parameters = {
        "pruning_schedule": pruning_schedule or tfmot.sparsity.keras.ConstantSparsity(0.5, 0),
        "block_size": block_size,
        "block_pooling_type": block_pooling_type,
        "sparsity_m_by_n": sparsity_m_by_n,
    }

    def wrap(layer: Any, original: Any, path: str) -> Any:
        if (
            not is_prunable(original)
            or skips(original, path)
            or (pruning_policy and not pruning_policy.allow_pruning(original))
            or not _pattern_fits(original, block_size, sparsity_m_by_n)
        ):
            return layer
        return PruneLowMagnitude(layer, **parameters, **kwargs)

    if isinstance(to_prune, (list, tuple)):
        for layer in to_prune:
            check_layer(layer, "prune_low_magnitude")
        return [wrap(layer, layer, layer.name) for layer in to_prune]
    check_layer(to_prune, "prune_low_magnitude")
    if not isinstance(to_prune, keras.Model):
        return wrap(to_prune, to_prune, to_prune.name)
    if kwargs:
        raise TypeError(f"prune_low_magnitude: unknown arguments for a model: {sorted(kwargs)}")

    if is_network(to_prune):
        _check_names(skip, to_prune)
        if pruning_policy:
            pruning_policy.ensure_model_supports_pruning(to_prune)

    def convert(layer: Any, path: str, copy: Copier) -> Any:
        return wrap(copy(layer), layer, path)

    with custom_object_scope():
        pruned = clone_model(to_prune, convert)
        copy_compile_state(to_prune, pruned)
    if not pruned_layers(pruned):
        warnings.warn(f"prune_low_magnitude: no layer of {to_prune.name!r} is pruned", stacklevel=2)
    return pruned


def unprune(model: Any) -> Any:
    """Return a plain copy of a pruned model, without wrappers, masks and thresholds.

    The zeros stay: the last masks are applied to the weights. Layers get their old names
    back, nested models stay nested. The compile state is carried over as by
    `prune_low_magnitude`.

    Args:
        model: a model made by `prune_low_magnitude`, ours or tfmot's; not modified.

    Returns:
        A model of plain layers.

    Raises:
        KerasModelError: not a model of tf_keras.
        UnsupportedModelError: a subclassed model, or layers that cannot be copied.
    """
    check_model(model, "unprune")
    stripped: list[tuple[Any, Any]] = []

    def convert(layer: Any, path: str, copy: Copier) -> Any:
        if not isinstance(layer, AnyPruneLowMagnitude):
            return copy(layer)
        new = copy(layer.layer)
        stripped.append((layer, new))
        if hasattr(layer, "_batch_input_shape"):  # lets a Sequential model build itself
            new._batch_input_shape = layer._batch_input_shape
        return new

    with custom_object_scope():
        plain = clone_model(model, convert)
        for wrapper, layer in stripped:
            _apply_masks(wrapper, layer)
        copy_compile_state(model, plain)
    return plain


def _apply_masks(wrapper: Any, layer: Any) -> None:
    """Multiply the weights of an unwrapped copy with the masks of its wrapper."""
    originals = [id(plain_variable(weight)) for weight in wrapper.layer.weights]
    for weight, mask, _ in wrapper.pruning_vars:
        target = plain_variable(layer.weights[originals.index(id(plain_variable(weight)))])
        target.assign(target * plain_variable(mask))


def get_pruning_callbacks(tensorboard_dir: str | os.PathLike[str] | None = None) -> list[Any]:
    """Return the callbacks that `fit` needs for a pruned model.

    Args:
        tensorboard_dir: if given, sparsity and thresholds are logged there too.

    Returns:
        `[UpdatePruningStep]`, and `PruningSummaries` if a directory is given.

    Raises:
        MissingPackageError: a directory is given and TensorBoard is not installed.
    """
    callbacks = [tfmot.sparsity.keras.UpdatePruningStep()]
    if tensorboard_dir is not None:
        require("tensorboard")  # tf.summary needs it, and would say so only during training
        callbacks.append(tfmot.sparsity.keras.PruningSummaries(log_dir=os.fspath(tensorboard_dir)))
    return callbacks


def _pattern_fits(layer: Any, block_size: tuple[int, int], m_by_n: Any) -> bool:
    """Whether tfmot can prune the kernels of this layer in such blocks, or m by n."""
    shapes = [tuple(kernel.shape) for kernel in kernels(layer)]
    if tuple(block_size) != (1, 1):
        # tfmot drops axes of length 1 from the grid of blocks and then misses them.
        return all(len(shape) == 2 and all(map(int.__gt__, shape, block_size)) for shape in shapes)
    return not m_by_n or all(len(shape) in (2, 4) for shape in shapes)


def _skip_items(skip: Any) -> list[Any]:
    return list(skip) if isinstance(skip, (list, tuple, set, frozenset)) else [skip]


def _skip_rule(skip: Any) -> Callable[[Any, str], bool]:
    """Turn `skip` into one function of (layer, path)."""
    names, classes, predicates = [], [], []
    for item in _skip_items(skip):
        if isinstance(item, str):
            names.append(item)
        elif isinstance(item, type):
            classes.append(item)
        elif callable(item):
            predicates.append(item)
        else:
            raise ConfigError(
                f"skip: {item!r} is neither a name, nor a layer class, nor a predicate"
            )

    def skips(layer: Any, path: str) -> bool:
        return (
            isinstance(layer, tuple(classes))
            or any(fnmatchcase(layer.name, n) or fnmatchcase(path, n) for n in names)
            or any(predicate(layer) for predicate in predicates)
        )

    return skips


def _check_names(skip: Any, model: Any) -> None:
    """Refuse a name in `skip` (a pattern may match nothing) that no layer has.

    Raises:
        ConfigError: naming the nearest layers; a typing error would prune the wrong layer.
    """
    known = {name for layer, path in walk(model) for name in (layer.name, path)}
    for item in _skip_items(skip):
        if isinstance(item, str) and item not in known and not set(item) & set("*?["):
            near = difflib.get_close_matches(item, sorted(known), n=3)
            hint = f"; did you mean {', '.join(map(repr, near))}?" if near else ""
            raise ConfigError(f"skip: {model.name!r} has no layer {item!r}{hint}")
