"""An operation that stands for a recurrent layer while the converter has the model.

The converter quantizes no loop. It gets one operation that it does not know, between the
fake-quants of what goes in and comes out, and hands it on as it is; a file pass then writes the
layer in its place (`optim.exporting.recurrent`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from optim._keras import tf

#: How the operations are called; the number of the layer follows.
PREFIX = "optim_recurrent_"

Collected = dict[str, Any]
"""Name of an operation -> what it stands for."""

_collected: ContextVar[Collected | None] = ContextVar("collected", default=None)


@contextmanager
def collecting() -> Iterator[Collected]:
    """Within it, calls of recurrent layers make placeholders; yields what they stand for."""
    token = _collected.set({})
    try:
        found = _collected.get()
        assert found is not None
        yield found
    finally:
        _collected.reset(token)


def collector() -> Collected | None:
    """Where placeholders are noted; None: none are wanted."""
    return _collected.get()


def placeholder(wrapper: Any, inputs: Any, mask: Any, collected: Collected) -> Any:
    """Return what a recurrent layer returns, as the results of an operation to be replaced.

    Args:
        wrapper: `RecurrentQuantizeWrapper`, built.
        inputs: of the layer.
        mask: of its first input, or None.
        collected: gets the entry.
    """
    layer = wrapper.layer
    with tf.init_scope():
        written = wrapper.written()
    name = next((key for key, one in collected.items() if one.layer is layer), None)
    if name is None:
        name = f"{PREFIX}{len(collected)}"
        collected[name] = written
    tensors = tf.nest.flatten(inputs)
    tensors += [m for m in tf.nest.flatten(mask) if m is not None][:1]
    shapes = layer.compute_output_shape([x.shape for x in tf.nest.flatten(inputs)])
    shapes = shapes if layer.return_state else [shapes]

    def nothing(*tensors: Any) -> list[Any]:
        total = tf.add_n([tf.reduce_sum(tf.cast(x, tf.float32)) for x in tensors])
        return [total + tf.zeros(shape) for shape in _known(shapes, tensors[0])]

    marked = tf.function(
        nothing,
        autograph=False,
        experimental_implements=(
            f'name: "{name}" attr {{ key: "tfl_fusable_op" value {{ b: true }} }}'
        ),
    )
    outputs = list(marked(*tensors))
    names = collected[name].output_grids(len(outputs))
    for i, (output, shape) in enumerate(zip(outputs, shapes, strict=True)):
        output.set_shape(shape)
        outputs[i] = wrapper.shown(i, names[i], output)
    return outputs if layer.return_state else outputs[0]


def _known(shapes: list[Any], x: Any) -> list[Any]:
    """Shapes with the sizes that only a run tells."""
    return [
        [tf.shape(x)[i] if size is None else size for i, size in enumerate(shape.as_list())]
        for shape in shapes
    ]
