"""Variables made eagerly are what they were, and those of graphs keep their names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("tensorflow")

import tensorflow as tf
from tensorflow.python.ops import gen_resource_variable_ops as operations

from harness.execution import variables


@pytest.fixture(autouse=True)
def shared() -> Iterator[None]:
    original = operations.var_handle_op
    variables.share_kernels()
    yield
    operations.var_handle_op = original


def test_variables_of_one_shape_are_apart() -> None:
    one, other = tf.Variable(tf.zeros([3]), name="one"), tf.Variable(tf.ones([3]), name="other")
    one.assign_add([1.0, 2.0, 3.0])
    assert one.numpy().tolist() == [1, 2, 3]
    assert other.numpy().tolist() == [1, 1, 1]
    assert (one.name, other.name) == ("one:0", "other:0")


def test_handles_made_eagerly_leave_the_name_out_and_those_of_graphs_do_not() -> None:
    seen: list[str] = []
    wrapper = operations.var_handle_op
    real = wrapper.__wrapped__

    def spy(*args: object, **attributes: str) -> object:
        seen.append(attributes["debug_name"])
        return real(*args, **attributes)

    operations.var_handle_op = real
    try:
        operations.var_handle_op = spy
        variables.share_kernels()
        tf.Variable(1.0, name="eager")
        with tf.Graph().as_default():
            handle = tf.compat.v1.get_variable("of_a_graph", [], use_resource=True).handle
    finally:
        operations.var_handle_op = wrapper
    assert [name.rstrip("/") for name in seen] == ["", "of_a_graph"]
    assert handle.op.name == "of_a_graph"


def test_asking_twice_wraps_once() -> None:
    once = operations.var_handle_op
    variables.share_kernels()
    assert operations.var_handle_op is once
