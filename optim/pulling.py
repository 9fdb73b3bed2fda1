"""Few values for many weights: each weight takes the nearest one, in training too."""

from __future__ import annotations

from typing import Any

from optim._keras import tf

__all__ = ["pull"]


def pull(kernel: Any, centroids: Any, average: bool = False) -> Any:
    """Take the nearest of the sorted centroids for each value of a kernel.

    A centroid gets the gradients of all weights that take it, and a weight its own, as if
    it were taken as it is.

    Args:
        kernel: tensor of any shape.
        centroids: tensor of shape (clusters,), ascending.
        average: whether a centroid gets the mean of the gradients, not the sum.
    """
    limits = (centroids[:-1] + centroids[1:]) / 2
    index = tf.searchsorted(tf.stop_gradient(limits), tf.reshape(kernel, [-1]))
    count = int(centroids.shape[0])

    @tf.custom_gradient
    def pull(kernel: Any, centroids: Any) -> Any:
        def gradient(upstream: Any) -> tuple[Any, Any]:
            flat = tf.reshape(upstream, [-1])
            total = tf.math.unsorted_segment_sum(flat, index, count)
            if average:
                sizes = tf.math.unsorted_segment_sum(tf.ones_like(flat), index, count)
                total = tf.math.divide_no_nan(total, sizes)
            return upstream, total

        return tf.reshape(tf.gather(centroids, index), tf.shape(kernel)), gradient

    values = pull(kernel, centroids)
    values.set_shape(kernel.shape)
    return values
