"""Steps one after the other, over sequences of inputs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from optim._keras import tf
from optim.quantization.recurrent.simulation import Simulation
from optim.quantization.recurrent.steps import Step


@dataclass(frozen=True)
class Sequences:
    """What goes in, and what is wanted.

    Attributes:
        x: inputs `(batch, steps, ...)`.
        mask: `(batch, steps)`, False where nothing is to be done; None: everywhere something.
        backwards: whether the last step comes first.
        all_outputs: whether the output of each step is wanted, or the last.
        zero_masked: whether the output is zero where nothing is done, or that of before.
    """

    x: Any
    mask: Any
    backwards: bool
    all_outputs: bool
    zero_masked: bool


def run(
    steps: Sequence[Step],
    ops: Sequence[Simulation],
    sequences: Sequences,
    initial: list[Any],
    shapes: list[list[Any]],
) -> tuple[Any, list[Any]]:
    """Run steps of stacked cells.

    Args:
        steps, ops: of each cell.
        sequences: see there.
        initial: states before the first step, of all cells; none: zeros.
        shapes: of the states, without the batch.

    Returns:
        The output, `(batch, steps, ...)` or of the last step `(batch, ...)`, and the states.
    """
    xs = _steps_first(sequences.x)
    mask = None if sequences.mask is None else tf.transpose(sequences.mask)
    if sequences.backwards:
        xs = tf.reverse(xs, [0])
        mask = None if mask is None else tf.reverse(mask, [0])
    projected = steps[0].project(ops[0], xs)
    states = _initial(steps, ops, initial, shapes, xs, projected)
    count = xs.shape[0]
    if count == 1:
        output, after = _one(steps, ops, [x[0] for x in projected], states)
        if mask is not None:
            output, after = _masked(mask[0], output, after, states, tf.zeros_like(output))
        return (output[:, None] if sequences.all_outputs else output), after
    return _loop(steps, ops, projected, mask, states, sequences)


def _steps_first(x: Any) -> Any:
    return tf.transpose(x, [1, 0, *range(2, len(x.shape))])


def _initial(
    steps: Sequence[Step],
    ops: Sequence[Simulation],
    initial: list[Any],
    shapes: list[list[Any]],
    xs: Any,
    projected: list[Any],
) -> list[Any]:
    names = [(one, name) for one, step in zip(ops, steps, strict=True) for name in step.states]
    if initial:
        return [one.round(name, x) for (one, name), x in zip(names, initial, strict=True)]
    found = []
    for shape in shapes:
        if None in shape:  # of one convolution, as what its inputs contribute
            found.append(tf.zeros_like(projected[0][0][..., : shape[-1]]))
        else:
            found.append(tf.zeros(tf.stack([tf.shape(xs)[1], *shape]), xs.dtype))
    return found


def _one(
    steps: Sequence[Step], ops: Sequence[Simulation], projected: list[Any], states: list[Any]
) -> tuple[Any, list[Any]]:
    """One step of all cells."""
    left, after, output = list(states), [], None
    for i, (step, one) in enumerate(zip(steps, ops, strict=True)):
        if i:
            projected = step.project(one, output)
        own, left = left[: len(step.states)], left[len(step.states) :]
        output, new = step.step(one, projected, own)
        after += new
    return output, after


def _masked(
    mask: Any, output: Any, after: list[Any], states: list[Any], otherwise: Any
) -> tuple[Any, list[Any]]:
    """Where the mask is False, the states of before, and another output."""

    def chosen(new: Any, old: Any) -> Any:
        shape = [-1, *[1] * (len(new.shape) - 1)]
        return tf.where(tf.reshape(mask, shape), new, old)

    kept = [chosen(new, old) for new, old in zip(after, states, strict=True)]
    return chosen(output, otherwise), kept


def _loop(
    steps: Sequence[Step],
    ops: Sequence[Simulation],
    projected: list[Any],
    mask: Any,
    states: list[Any],
    sequences: Sequences,
) -> tuple[Any, list[Any]]:
    count = tf.shape(projected[0])[0]
    shape = states[-len(steps[-1].states)].shape
    first = tf.zeros_like(states[-len(steps[-1].states)])
    outputs = tf.TensorArray(first.dtype, count if sequences.all_outputs else 1, False)

    rounding = [one.round for one in ops if one.round.learns]

    def body(t: Any, outputs: Any, last: Any, ends: Any, *states: Any) -> Any:
        inputs = [tf.gather(x, t) for x in projected]
        with ExitStack() as stack:
            for one in rounding:
                stack.enter_context(one.watching())
            output, after = _one(steps, ops, inputs, list(states))
            ends = [one.after(before) for one, before in zip(rounding, ends, strict=True)]
        if mask is not None:
            otherwise = tf.zeros_like(last) if sequences.zero_masked else last
            output, after = _masked(tf.gather(mask, t), output, after, list(states), otherwise)
        if sequences.all_outputs:
            outputs = outputs.write(t, output)
        output.set_shape(shape)
        for new, old in zip(after, states, strict=True):
            new.set_shape(old.shape)
        return (t + 1, outputs, output, ends, *after)

    _, outputs, last, ends, *after = tf.while_loop(
        lambda t, *_: t < count,
        body,
        (tf.constant(0), outputs, first, [one.start() for one in rounding], *states),
        maximum_iterations=count,
    )
    for one, found in zip(rounding, ends, strict=True):
        one.learn(found)
    if not sequences.all_outputs:
        return last, after
    stacked = outputs.stack()
    stacked.set_shape((projected[0].shape[0], *shape))
    return _steps_first(stacked), after
