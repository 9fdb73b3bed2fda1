"""The kernels of a Keras model, with or without pruning and clustering wrappers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from optim._clone import plain_variable, walk
from optim.clustering_wrapper import CLUSTERABLE, ClusterWeights
from optim.pruning_kernels import Slot, input_axis, slots, with_depthwise
from optim.pruning_wrapper import PRUNABLE, AnyPruneLowMagnitude, kernel_names
from optim.pruning_wrapper import kernels as prunable_kernels
from optim.sparsity import KernelSparsity, measure

__all__ = ["kernels"]

Pattern = tuple[int, int]


def kernels(model: Any, m_by_n: Pattern) -> Iterator[KernelSparsity]:
    """Yield what is known of each kernel, layers in model order, shared ones once."""
    seen: set[int] = set()
    for layer, path in walk(model):
        if id(layer) in seen or not layer.built:
            continue
        seen.add(id(layer))
        read = next((f for cls, f in _READERS.items() if isinstance(layer, cls)), _plain)
        yield from read(layer, path, m_by_n)


def _name(slot: Slot) -> str:
    return slot.path.strip("_")


def _inner(path: str, wrapper: Any) -> str:
    """The path of a wrapped layer: with its own name instead of the wrapper's."""
    return "/".join([*path.split("/")[:-1], wrapper.layer.name])


def _plain(layer: Any, path: str, m_by_n: Pattern) -> Iterator[KernelSparsity]:
    for slot in slots(layer, with_depthwise({**CLUSTERABLE, **PRUNABLE})):
        values = plain_variable(slot.value).numpy()
        axis = input_axis(slot, values.ndim)
        yield KernelSparsity(path, _name(slot), **measure(values, 0, axis, m_by_n))


def _pruned(wrapper: Any, path: str, m_by_n: Pattern) -> Iterator[KernelSparsity]:
    places = [s for s, _ in prunable_kernels(wrapper.layer, getattr(wrapper, "depthwise", False))]
    names = kernel_names(wrapper)
    for i, (weight, mask, _) in enumerate(wrapper.pruning_vars):
        values = plain_variable(weight).numpy() * plain_variable(mask).numpy()
        axis = input_axis(places[i] if i < len(places) else None, values.ndim)
        yield KernelSparsity(
            _inner(path, wrapper),
            names[i],
            target=_target(wrapper),
            **measure(values, 0, axis, wrapper.sparsity_m_by_n or m_by_n),
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


def _clustered(wrapper: Any, path: str, m_by_n: Pattern) -> Iterator[KernelSparsity]:
    for slot, tensor in wrapper.clustered():
        values = tensor.numpy()
        axis = input_axis(slot, values.ndim)
        yield KernelSparsity(
            _inner(path, wrapper),
            _name(slot),
            clusters=wrapper.number_of_clusters,
            **measure(values, 0, axis, m_by_n),
        )


_READERS = {AnyPruneLowMagnitude: _pruned, ClusterWeights: _clustered}
