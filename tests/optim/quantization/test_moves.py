"""Functions that only move values: int8 in the file, as planned, by training and after it.

Each is behind a convolution and before another one: what the converter does not take for int8
would leave the second float, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from int8_files import check_int8

import optim
from optim._keras import keras, tf
from optim.quantization.planning.roles import BY_SYMBOL, Role

K = keras.layers
v1 = tf.compat.v1

PADS = [[0, 0], [1, 1], [2, 0], [0, 0]]

WHOLE = [[0, 0], [0, 0]]


def _places(x: Any) -> Any:
    """Rows 1 and 3 of each image."""
    return tf.tile([[[1], [3]]], tf.concat([tf.shape(x)[:1], [1, 1]], 0))


def _in_batch(x: Any) -> Any:
    return tf.space_to_batch(x, [2, 2], WHOLE)


def _batches(x: Any) -> Any:
    return tf.batch_to_space(_in_batch(x), [2, 2], WHOLE)


WHOLE = [[0, 0], [0, 0]]


def _places(x: Any) -> Any:
    """Rows 1 and 3 of each image."""
    return tf.tile([[[1], [3]]], tf.concat([tf.shape(x)[:1], [1, 1]], 0))


def _in_batch(x: Any) -> Any:
    return tf.space_to_batch(x, [2, 2], WHOLE)


def _batches(x: Any) -> Any:
    return tf.batch_to_space(_in_batch(x), [2, 2], WHOLE)


#: Public name of a function -> ways to call it on (batch, 6, 8, 4), which give four axes.
CALLS: dict[str, list[Callable[[Any], Any]]] = {
    "__operators__.getitem": [lambda x: x[:, ::2, 1:], lambda x: x[:, ::-1]],
    "nn.embedding_lookup": [lambda x: tf.nn.embedding_lookup(x, tf.range(tf.shape(x)[0]))],
    "compat.v1.nn.embedding_lookup": [
        lambda x: v1.nn.embedding_lookup(x, tf.range(tf.shape(x)[0]))
    ],
    "broadcast_to": [lambda x: tf.broadcast_to(x[:, :1], tf.shape(x))],
    "cast": [lambda x: tf.cast(x, tf.float32)],
    "expand_dims": [lambda x: tf.expand_dims(x, 1)[:, 0]],
    "gather": [
        lambda x: tf.gather(x, [1, 0, 3], axis=2),
        lambda x: tf.gather(x, [[0, 1]], axis=1)[:, 0],
    ],
    "gather_nd": [lambda x: tf.gather_nd(x, _places(x), batch_dims=1)],
    "compat.v1.gather_nd": [lambda x: v1.gather_nd(x, _places(x), batch_dims=1)],
    "space_to_batch": [_batches],
    "space_to_batch_nd": [_batches],
    "batch_to_space": [_batches],
    "compat.v1.batch_to_space_nd": [lambda x: v1.batch_to_space_nd(_in_batch(x), [2, 2], WHOLE)],
    "identity": [tf.identity],
    "image.central_crop": [lambda x: tf.image.central_crop(x, 0.5)],
    "image.crop_to_bounding_box": [lambda x: tf.image.crop_to_bounding_box(x, 1, 1, 3, 3)],
    "image.flip_left_right": [tf.image.flip_left_right],
    "image.flip_up_down": [tf.image.flip_up_down],
    "image.pad_to_bounding_box": [lambda x: tf.image.pad_to_bounding_box(x, 1, 1, 9, 10)],
    "image.resize": [
        lambda x: tf.image.resize(x, (12, 16)),
        lambda x: tf.image.resize(x, (12, 16), method="nearest"),
    ],
    "image.resize_with_crop_or_pad": [lambda x: tf.image.resize_with_crop_or_pad(x, 4, 10)],
    "image.resize_with_pad": [lambda x: tf.image.resize_with_pad(x, 12, 12)],
    "image.rot90": [lambda x, k=k: tf.image.rot90(x, k) for k in range(-1, 4)],
    "image.extract_patches": [
        lambda x: tf.image.extract_patches(x, [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID")
    ],
    "nn.depth_to_space": [lambda x: tf.nn.depth_to_space(x, 2)],
    "nn.space_to_depth": [lambda x: tf.nn.space_to_depth(x, 2)],
    "pad": [
        lambda x: tf.pad(x, PADS),
        lambda x: tf.pad(x, PADS, "REFLECT"),
        lambda x: tf.pad(x, PADS, "SYMMETRIC"),
        lambda x: tf.pad(x, PADS, constant_values=1.5),
    ],
    "repeat": [lambda x: tf.repeat(x, 2, axis=1)],
    "reshape": [lambda x: tf.reshape(x, (-1, 8, 6, 4))],
    "reverse": [lambda x, axes=axes: tf.reverse(x, axes) for axes in ([1], [1, 2], [-1])],
    "roll": [lambda x: tf.roll(x, 2, 1), lambda x: tf.roll(x, [1, -1], [1, 2])],
    "slice": [lambda x: tf.slice(x, [0, 1, 0, 0], [-1, 3, 4, 4])],
    "split": [
        lambda x: tf.split(x, 2, -1)[1],
        lambda x: tf.concat(tf.split(x, [1, 3], -1)[::-1], -1),
        lambda x: tf.split(x, [1, 2, 3], 1)[1],
    ],
    "squeeze": [lambda x: tf.squeeze(x[:, :1], 1)[:, None]],
    "stop_gradient": [tf.stop_gradient],
    "strided_slice": [
        lambda x: tf.strided_slice(x, [0, 1, 0, 0], [0, 6, 8, 4], [1, 2, 2, 1], 9, 9)
    ],
    "tile": [lambda x: tf.tile(x, [1, 2, 1, 1])],
    "transpose": [lambda x: tf.transpose(x, [0, 2, 1, 3])],
    "unstack": [
        lambda x: tf.unstack(x, axis=1)[2][:, None],
        lambda x: tf.stack(tf.unstack(x, axis=-1)[::-1], -1),
    ],
    "linalg.matrix_transpose": [tf.linalg.matrix_transpose],
    "ensure_shape": [lambda x: tf.ensure_shape(x, (None, 6, 8, 4))],
    "compat.v1.transpose": [lambda x: v1.transpose(x, [0, 2, 1, 3])],
    "compat.v1.pad": [lambda x: v1.pad(x, PADS)],
    "compat.v1.squeeze": [lambda x: v1.squeeze(x[:, :1], [1])[:, None]],
    "compat.v1.expand_dims": [lambda x: v1.expand_dims(x, 1)[:, 0]],
    "compat.v1.gather": [lambda x: v1.gather(x, [1, 0, 3], axis=2)],
    "compat.v1.nn.depth_to_space": [lambda x: v1.depth_to_space(x, 2)],
    "compat.v1.nn.space_to_depth": [lambda x: v1.space_to_depth(x, 2)],
    "compat.v1.image.resize_bilinear": [lambda x: v1.image.resize_bilinear(x, (12, 16))],
    "compat.v1.image.resize_nearest_neighbor": [
        lambda x: v1.image.resize_nearest_neighbor(x, (12, 16))
    ],
    "compat.v1.image.resize": [lambda x: v1.image.resize(x, (12, 16))],
    "compat.v1.image.resize_images": [lambda x: v1.image.resize_images(x, (12, 16))],
    "compat.v1.stop_gradient": [v1.stop_gradient],
    "compat.v1.strided_slice": [
        lambda x: v1.strided_slice(x, [0, 1, 0, 0], [0, 6, 8, 4], None, 9, 9)
    ],
    "nn.avg_pool": [lambda x: tf.nn.avg_pool(x, 2, 2, "SAME")],
    "nn.avg_pool1d": [lambda x: tf.nn.avg_pool1d(x[:, 0], 2, 2, "SAME")[:, None]],
    "nn.avg_pool2d": [lambda x: tf.nn.avg_pool2d(x, 2, 2, "SAME")],
    "nn.max_pool": [lambda x: tf.nn.max_pool(x, 2, 2, "SAME")],
    "nn.max_pool1d": [lambda x: tf.nn.max_pool1d(x[:, 0], 2, 2, "SAME")[:, None]],
    "nn.max_pool2d": [lambda x: tf.nn.max_pool2d(x, 2, 2, "SAME")],
    "nn.pool": [lambda x: tf.nn.pool(x, (2, 2), "MAX", strides=(2, 2))],
    "math.reduce_max": [lambda x: tf.reduce_max(x, 1, keepdims=True)],
    "math.reduce_min": [lambda x: tf.reduce_min(x, [1, 2], keepdims=True)],
    "compat.v1.reduce_max": [lambda x: v1.reduce_max(x, 1, keepdims=True)],
    "compat.v1.reduce_min": [lambda x: v1.reduce_min(x, 1, keepdims=True)],
    "compat.v1.nn.avg_pool": [lambda x: v1.nn.avg_pool(x, 2, 2, "SAME")],
    "compat.v1.nn.max_pool": [lambda x: v1.nn.max_pool(x, 2, 2, "SAME")],
    "compat.v1.nn.pool": [lambda x: v1.nn.pool(x, (2, 2), "MAX", "VALID", strides=(2, 2))],
    "concat": [lambda x: tf.concat([x, tf.nn.relu(x)], -1)],
    "math.maximum": [lambda x: tf.maximum(x, -0.3), lambda x: tf.maximum(x, tf.tanh(x))],
    "math.minimum": [lambda x: tf.minimum(x, 0.3), lambda x: tf.minimum(x, tf.tanh(x))],
    "clip_by_value": [lambda x: tf.clip_by_value(x, -0.5, 0.8)],
    "stack": [lambda x: tf.stack([x, tf.nn.relu(x)], 1)[:, 1]],
    "where": [
        lambda x: tf.where(x > 0, x, x * 0.5),
        lambda x: tf.where(x < 0.1, x * 0.1, x),
        lambda x: tf.where(x > 0, x, 0.0),
    ],
    "compat.v1.where": [lambda x: v1.where(x > 0, x, x * 0.5)],
    "zeros_like": [lambda x: tf.concat([x, tf.zeros_like(x)], -1)],
    "ones_like": [lambda x: tf.concat([x, tf.ones_like(x)], -1)],
    "compat.v1.zeros_like": [lambda x: tf.concat([x, v1.zeros_like(x)], -1)],
    "compat.v1.ones_like": [lambda x: tf.concat([x, v1.ones_like(x)], -1)],
}

#: Not of an input: the planner meets them only where all their arguments are constants.
OF_NOTHING = {"fill", "zeros", "ones"}


def test_every_function_that_moves_values_is_called() -> None:
    moving = {name for name, one in BY_SYMBOL.items() if one.role in (Role.SAME, Role.JOIN)}
    assert moving == {*CALLS, *OF_NOTHING}


@pytest.mark.parametrize(
    ("name", "number"), [(name, i) for name, calls in CALLS.items() for i in range(len(calls))]
)
def test_it_is_int8(name: str, number: int, rng: np.random.Generator) -> None:
    samples = rng.normal(size=(16, 6, 8, 4)).astype(np.float32)
    inputs = keras.Input((6, 8, 4))
    moved = CALLS[name][number](K.Conv2D(4, 1)(inputs))
    model = keras.Model(inputs, K.Conv2D(3, 1)(moved))
    check_int8(model, samples)


@pytest.mark.parametrize(
    "take",
    [
        lambda x: tf.split(x, 2, -1)[1],
        lambda x: tf.unstack(x, axis=1)[2],
        lambda x: tf.split(x, [1, 3], -1)[1] * tf.split(x, [1, 3], -1)[1],
    ],
)
def test_parts_of_an_input_that_nobody_takes_leave_nothing_behind(
    take: Callable[[Any], Any], rng: np.random.Generator
) -> None:
    samples = rng.normal(size=(16, 6, 8, 4)).astype(np.float32)
    inputs = keras.Input((6, 8, 4))
    model = keras.Model(inputs, take(inputs))
    quantized = optim.quantize_model(model, calibration_data=samples)
    report = optim.verify(optim.export(quantized), {"float": model}, samples)
    assert not report.islands
    assert report.comparisons[0].sqnr > 25
