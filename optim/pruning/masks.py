"""The masks of magnitude pruning: which values of a kernel stay.

Same results as tfmot's `pruning_impl`, with these differences:

* The number of values that stay is exact where several have the same magnitude.
* The k largest magnitudes are found by counting, not by sorting: linear time, and no
  one-hot vector as long as the kernel.
* Blocks are cut from the first row and column on, in kernels of any rank; a block over
  the edge counts the values it has. tfmot scores blocks that are centred on the kernel,
  and then masks others, wherever the size is no multiple of the block's.
* m-by-n sparsity is counted along the axis of the inputs of each kind of layer.
* The masks are updated at the last step of a schedule too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from optim._keras import tf
from optim.errors import ConfigError

# Not part of tfmot's public API. After the handles: they choose the Keras module.
from tensorflow_model_optimization.python.core.sparsity.keras import (  # isort: skip
    pruning_impl,
)

__all__ = ["Pruning", "block_mask", "m_by_n_mask", "magnitude_mask"]

_HALF = 1 << 16


def keep_largest(scores: Any, count: Any) -> tuple[Any, Any]:
    """Find the `count` largest of the scores.

    The bits of non-negative floats, read as integers, have the order of the floats. Two
    histograms, of the upper and of the lower half of the bits, give the threshold.

    Args:
        scores: tensor of any shape, values >= 0; taken as float32.
        count: int32 scalar, from 1 to the number of scores.

    Returns:
        `(threshold, keep)`: the smallest score that stays, float32; and a bool tensor
        in the shape of `scores`, true in exactly `count` places. Of equal scores the
        first ones stay.
    """
    flat = tf.reshape(tf.cast(scores, tf.float32), [-1])
    bits = tf.bitcast(flat, tf.int32)
    upper = tf.bitwise.right_shift(bits, 16)
    first, before = _bin_of(upper, _HALF // 2, count)  # the sign bit is never set
    lower = tf.where(tf.equal(upper, first), tf.bitwise.bitwise_and(bits, _HALF - 1), _HALF)
    second, between = _bin_of(lower, _HALF, count - before)
    limit = tf.bitwise.bitwise_or(tf.bitwise.left_shift(first, 16), second)
    equal = tf.equal(bits, limit)
    missing = count - before - between

    def all_equal() -> Any:
        return tf.greater_equal(bits, limit)

    def first_equal() -> Any:
        place = tf.cumsum(tf.cast(equal, tf.int32))
        return tf.logical_or(tf.greater(bits, limit), tf.logical_and(equal, place <= missing))

    number = tf.reduce_sum(tf.cast(equal, tf.int32))
    keep = tf.cond(tf.equal(number, missing), all_equal, first_equal)
    return tf.bitcast(limit, tf.float32), tf.reshape(keep, tf.shape(scores))


def _bin_of(values: Any, bins: int, count: Any) -> tuple[Any, Any]:
    """The bin that holds the `count`-th largest value, and how many values are above it.

    Values outside of `[0, bins)` do not count.
    """
    empty = tf.zeros([0], tf.int32)
    counts = tf.raw_ops.DenseBincount(
        input=values, size=tf.constant(bins), weights=empty, binary_output=False
    )
    reaching = tf.cumsum(counts, reverse=True)  # values in this bin or above
    found = tf.reduce_sum(tf.cast(reaching >= count, tf.int32)) - 1
    return found, tf.gather(reaching, found) - tf.gather(counts, found)


def _kept(size: Any, sparsity: Any) -> Any:
    share = tf.cast(size, tf.float64) * (1.0 - tf.cast(sparsity, tf.float64))
    return tf.cast(tf.maximum(tf.round(tf.cast(share, tf.float32)), 1.0), tf.int32)


def magnitude_mask(weights: Any, sparsity: Any) -> tuple[Any, Any]:
    """Return `(threshold, mask)`: the smallest magnitudes are masked, at least one stays.

    Args:
        weights: kernel of any shape.
        sparsity: share of values to mask, from 0 to 1.

    Returns:
        The smallest magnitude that stays, a float32 scalar; and a bool tensor.
    """
    return keep_largest(tf.abs(weights), _kept(tf.size(weights), sparsity))


def block_mask(
    weights: Any, sparsity: Any, block_size: Sequence[int], pooling: str
) -> tuple[Any, Any]:
    """Return `(threshold, mask)` of whole blocks on the last two axes of a kernel.

    Args:
        weights: kernel of rank 2 or more, known shape.
        sparsity: share of blocks to mask.
        block_size: rows and columns of a block.
        pooling: score of a block, from the magnitudes in it: "AVG" or "MAX".

    Returns:
        The smallest score that stays, a float32 scalar; and a bool tensor.
    """
    *_, rows, columns = shape = weights.shape.as_list()
    height, width = block_size
    down, across = -(-rows // height), -(-columns // width)
    edges = [[0, 0], [0, down * height - rows], [0, across * width - columns]]

    def blocks(x: Any) -> Any:
        return tf.reshape(tf.pad(x, edges), [-1, down, height, across, width])

    values = blocks(tf.reshape(tf.abs(tf.cast(weights, tf.float32)), [-1, rows, columns]))
    if pooling == "MAX":
        scores = tf.reduce_max(values, axis=[2, 4])
    else:
        sizes = tf.reduce_sum(blocks(tf.ones([1, rows, columns])), axis=[2, 4])
        scores = tf.reduce_sum(values, axis=[2, 4]) / sizes
    threshold, keep = keep_largest(scores, _kept(tf.size(scores), sparsity))
    keep = tf.repeat(tf.repeat(keep, height, axis=1), width, axis=2)
    return threshold, tf.reshape(keep[:, :rows, :columns], shape)


def m_by_n_mask(weights: Any, m: int, n: int, axis: int) -> tuple[Any, Any]:
    """Return `(threshold, mask)` with `m` of `n` consecutive values masked along an axis.

    Args:
        weights: kernel of known shape. If its size along the axis is no multiple of n,
            the last group is short, and as many of its values stay as in a full one.
        m, n: zeros, and size of a group.
        axis: along which the groups lie.

    Returns:
        The largest magnitude that is masked, a float32 scalar; and a bool tensor.
    """
    magnitudes = tf.abs(tf.cast(weights, tf.float32))
    shape = weights.shape.as_list()
    length, after = shape[axis], -shape[axis] % n
    lead, tail = shape[:axis], shape[axis + 1 :]
    edges = [[0, after if i == axis else 0] for i in range(len(shape))]
    padded = tf.pad(magnitudes, edges, constant_values=-1.0)
    groups = tf.reshape(padded, [*lead, (length + after) // n, n, *tail])
    place = tf.reshape(tf.range(n), [n] + [1] * len(tail))
    larger = tf.zeros_like(groups, tf.int32)  # how many others of the group go before
    for shift in range(1, n):
        other = tf.roll(groups, shift, axis + 1)
        index = tf.roll(place, shift, 0)
        before = (other > groups) | ((other == groups) & (index < place))
        larger += tf.cast(before, tf.int32)
    keep = tf.reshape(larger < n - m, [*lead, length + after, *tail])
    keep = tf.slice(keep, [0] * len(shape), shape)
    return tf.reduce_max(tf.where(keep, 0.0, magnitudes)), keep


class Pruning(pruning_impl.Pruning):  # type: ignore[misc]  # tfmot is untyped
    """tfmot's pruning of the variables of one layer, with the masks of this module.

    Args:
        training_step_fn: function that returns the number of the step.
        pruning_vars: triples (weight, mask, threshold).
        pruning_schedule: a tfmot `PruningSchedule`.
        block_size, block_pooling_type, sparsity_m_by_n: as for the wrapper.
        axes: per weight, the axis along which m-by-n sparsity is counted.
    """

    def __init__(
        self,
        training_step_fn: Callable[[], Any],
        pruning_vars: Sequence[tuple[Any, Any, Any]],
        pruning_schedule: Any,
        block_size: Sequence[int],
        block_pooling_type: str,
        sparsity_m_by_n: tuple[int, int] | None,
        axes: Iterable[int | None],
    ) -> None:
        # tfmot's own m-by-n is left off: it would update at step 1, whatever the schedule.
        super().__init__(
            training_step_fn, pruning_vars, pruning_schedule, block_size, block_pooling_type
        )
        self._pruning_schedule = _Due(pruning_schedule, sparsity_m_by_n)
        self._m_by_n = sparsity_m_by_n
        self._axis_of = {id(w): a for (w, _, _), a in zip(pruning_vars, axes, strict=True)}

    def _validate_block(self) -> None:
        pass  # blocks of kernels of any rank

    def update_masks(self) -> None:
        """Set masks and thresholds for the step there is, whether or not it is their turn."""
        for weight, mask, threshold in self._pruning_vars:
            limit, keep = self._maybe_update_block_mask(weight)
            threshold.assign(limit)
            mask.assign(keep)

    def _maybe_update_block_mask(self, weights: Any) -> tuple[Any, Any]:
        if weights.shape.num_elements() == 0:
            return tf.zeros([], weights.dtype), tf.ones_like(weights)
        if self._m_by_n:
            axis = self._axis_of[id(weights)]
            if axis is None:  # made without `prune_low_magnitude`, which leaves it alone
                raise ConfigError(f"{weights.name}: m-by-n sparsity needs an axis of inputs")
            threshold, keep = m_by_n_mask(weights, *self._m_by_n, axis=axis)
        else:
            sparsity = self._pruning_schedule(self._step_fn())[1]
            if self._block_size == [1, 1]:
                threshold, keep = magnitude_mask(weights, sparsity)
            else:
                threshold, keep = block_mask(
                    weights, sparsity, self._block_size, self._block_pooling_type
                )
        return tf.cast(threshold, weights.dtype), tf.cast(keep, weights.dtype)


class _Due:
    """A schedule that is due at its last step too; for m-by-n, at its first step only."""

    def __init__(self, schedule: Any, m_by_n: tuple[int, int] | None) -> None:
        self.schedule = schedule
        self.m_by_n = m_by_n
        self.first = max(1, int(getattr(schedule, "begin_step", 1)))
        self.last = int(getattr(schedule, "end_step", -1))

    def __call__(self, step: Any) -> tuple[Any, Any]:
        if self.m_by_n:
            m, n = self.m_by_n
            return tf.equal(step, self.first), tf.constant(m / n)
        due, sparsity = self.schedule(step)
        return (due | tf.equal(step, self.last) if self.last > 0 else due), sparsity
