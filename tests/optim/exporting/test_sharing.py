"""Constants of equal content in one buffer: which ones may share, and which may not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from optim.litert.writer import share_equal


def file(
    contents: list[bytes | None],
    *,
    inputs: Any = (),
    outputs: Any = (),
    variable: Any = (),
    **more: Any,
) -> Any:
    """A file of one operation that takes all tensors but the last, which it makes."""
    tensors = [SimpleNamespace(buffer=i, isVariable=i in variable) for i in range(len(contents))]
    taken = np.arange(len(contents) - 1, dtype=np.int32)
    operator = SimpleNamespace(
        inputs=np.append(taken, -1),
        outputs=np.array([len(contents) - 1]),
        mutatingVariableInputs=None,
        intermediates=None,
    )
    vars(operator).update(more)
    graph = SimpleNamespace(
        tensors=tensors, operators=[operator], inputs=list(inputs), outputs=list(outputs)
    )
    buffers = [
        SimpleNamespace(data=None if one is None else np.frombuffer(one, np.uint8))
        for one in contents
    ]
    return SimpleNamespace(subgraphs=[graph], buffers=buffers, metadata=None)


def numbers(model: Any) -> list[int]:
    return [tensor.buffer for tensor in model.subgraphs[0].tensors]


LONG = bytes(10_000)


def test_the_first_of_equal_constants_is_everybodys() -> None:
    model = file([b"ab", b"cd", b"ab", b"ab", b"cd", None])
    assert share_equal(model) == 3
    assert numbers(model) == [0, 1, 0, 0, 1, 5]
    assert [one.data is None for one in model.buffers] == [False, False, True, True, True, True]


def test_all_of_the_content_counts() -> None:
    model = file([LONG, LONG[:-1] + b"\x01", LONG[:-1], LONG, None])
    assert share_equal(model) == 1
    assert numbers(model) == [0, 1, 2, 0, 4]


def test_what_somebody_writes_is_not_shared() -> None:
    contents = [b"ab", b"ab", b"ab", None]
    assert share_equal(file(contents)) == 2
    assert share_equal(file(contents, inputs=[1])) == 1
    assert share_equal(file(contents, outputs=[1, 2])) == 0
    assert share_equal(file(contents, variable=[0, 1])) == 0
    assert share_equal(file(contents, mutatingVariableInputs=[False, True, False])) == 1
    assert share_equal(file(contents, intermediates=np.array([2]))) == 1
