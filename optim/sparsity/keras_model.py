"""The kernels of a Keras model, with or without wrappers that prune, cluster or quantize."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from optim._keras import tf
from optim.clustering.wrapper import CLUSTERABLE, ClusterWeights
from optim.models.clone import plain_variable, walk
from optim.models.kernels import Slot, built_slots, input_axis, with_depthwise
from optim.pruning.wrapper import PRUNABLE, AnyPruneLowMagnitude, kernel_names
from optim.pruning.wrapper import kernels as prunable_kernels
from optim.quantization.quantizers.preserving import PreservingQuantizer
from optim.sparsity.measure import KernelSparsity, measure

# Not part of tfmot's public API. After the handles: they choose the Keras module.
from tensorflow_model_optimization.python.core.quantization.keras.quantize_wrapper import (  # isort: skip
    QuantizeWrapperV2,
)

__all__ = ["kernels"]

Pattern = tuple[int, int]

Found = Iterator[tuple[Any, KernelSparsity]]
"""Kernels that are wrapped or could be: the variable of each, and what is known of it."""


def _slots(layer: Any) -> list[Slot]:
    """All kernels of a layer; `register_prunable` may have added some since the import."""
    return built_slots(layer, with_depthwise({**CLUSTERABLE, **PRUNABLE}), "measure")


def kernels(model: Any, m_by_n: Pattern) -> Iterator[KernelSparsity]:
    """Yield what is known of each kernel, layers in model order, shared ones once."""
    seen: set[int] = set()
    for layer, path in walk(model):
        if id(layer) in seen or not layer.built:
            continue
        seen.add(id(layer))
        read = next((f for cls, f in _READERS.items() if isinstance(layer, cls)), _plain)
        measured: set[int] = set()
        for variable, kernel in read(layer, path, m_by_n):
            measured.add(id(plain_variable(variable)))
            yield kernel
        wrapped = isinstance(layer, (AnyPruneLowMagnitude, ClusterWeights))
        yield from _others(layer, _inner(path, layer) if wrapped else path, measured)


# Weights that are no kernels although some have several axes.
_NO_KERNELS = ("bias", "gamma", "beta", "alpha")


def _others(layer: Any, path: str, measured: set[int]) -> Iterator[KernelSparsity]:
    """Yield the kernels that neither pruning nor clustering takes: they are a part of the total."""
    for part in {id(x): x for x in layer._flatten_layers()}.values():
        for weight in part._trainable_weights:
            name = weight.name.split("/")[-1].partition(":")[0]
            if id(plain_variable(weight)) in measured or name.endswith(_NO_KERNELS):
                continue
            measured.add(id(plain_variable(weight)))
            if len(weight.shape) > 1:
                values = plain_variable(weight).numpy()
                kernel = name if part is layer else f"{part.name}.{name}"
                yield KernelSparsity(path, kernel, **measure(values, 0, None, None))


def _name(slot: Slot) -> str:
    return slot.path.strip("_")


def _inner(path: str, wrapper: Any) -> str:
    """The path of a wrapped layer: with its own name instead of the wrapper's."""
    return "/".join([*path.split("/")[:-1], wrapper.layer.name])


def _plain(layer: Any, path: str, m_by_n: Pattern) -> Found:
    for slot in _slots(layer):
        values = plain_variable(slot.value).numpy()
        axis = input_axis(slot, values.ndim)
        yield slot.value, KernelSparsity(path, _name(slot), **measure(values, 0, axis, m_by_n))


def _pruned(wrapper: Any, path: str, m_by_n: Pattern) -> Found:
    places = [s for s, _ in prunable_kernels(wrapper.layer, getattr(wrapper, "depthwise", False))]
    names = kernel_names(wrapper)
    for i, (weight, mask, _) in enumerate(wrapper.pruning_vars):
        values = plain_variable(weight).numpy() * plain_variable(mask).numpy()
        axis = input_axis(places[i] if i < len(places) else None, values.ndim)
        yield (
            weight,
            KernelSparsity(
                _inner(path, wrapper),
                names[i],
                target=_target(wrapper),
                **measure(values, 0, axis, wrapper.sparsity_m_by_n or m_by_n),
            ),
        )


def _target(wrapper: Any) -> float:
    """The sparsity at the end of the schedule."""
    if wrapper.sparsity_m_by_n:
        m, n = wrapper.sparsity_m_by_n
        return float(m / n)
    schedule = wrapper.pruning_schedule
    for name in ("final_sparsity", "target_sparsity"):
        if hasattr(schedule, name):
            return float(getattr(schedule, name))
    return float(schedule(np.int64(max(0, getattr(schedule, "end_step", 0))))[1])


def _clustered(wrapper: Any, path: str, m_by_n: Pattern) -> Found:
    for slot, tensor in wrapper.clustered():
        values = tensor.numpy()
        axis = input_axis(slot, values.ndim)
        yield (
            slot.value,
            KernelSparsity(
                _inner(path, wrapper),
                _name(slot),
                clusters=wrapper.number_of_clusters,
                **measure(values, 0, axis, m_by_n),
            ),
        )


def _quantized(wrapper: Any, path: str, m_by_n: Pattern) -> Found:
    """Kernels as they go to their quantizers: with what is preserved of them in place."""
    known = {id(plain_variable(s.value)): s for s in _slots(wrapper.layer)}
    for weight, quantizer, variables in wrapper._weight_vars:
        values = plain_variable(weight).numpy()
        target = clusters = None
        if isinstance(quantizer, PreservingQuantizer):
            values = quantizer.preserved(tf.convert_to_tensor(values), variables).numpy()
            target = _share_of_zeros(variables["mask_var"]) if quantizer.zeros else None
            clusters = quantizer.values + quantizer.zeros if quantizer.values else None
        slot = known.get(id(plain_variable(weight)))
        name = _name(slot) if slot else weight.name.split("/")[-1].partition(":")[0]
        measured = measure(values, 0, input_axis(slot, values.ndim), m_by_n)
        yield weight, KernelSparsity(path, name, target=target, clusters=clusters, **measured)


def _share_of_zeros(mask: Any) -> float:
    return 1.0 - float(np.mean(mask.numpy()))


_READERS = {
    AnyPruneLowMagnitude: _pruned,
    ClusterWeights: _clustered,
    QuantizeWrapperV2: _quantized,
}
