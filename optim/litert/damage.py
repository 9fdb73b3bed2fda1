"""What a damaged file must not get away with.

The generated classes of the schema believe a file: a number out of range makes them read
somewhere else, or fail with whatever Python says there. So every number by which one table
refers to another is looked at once, before anybody follows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optim.errors import ModelFileError, OptimError

__all__ = ["check_tables", "damage_refused"]


@contextmanager
def damage_refused() -> Iterator[None]:
    """Reading a file within this, or in a function that it decorates, fails as damage.

    A name that is no text, a kernel of the wrong rank, fewer values than the shape has: each
    fails in its own way where it is read.

    Raises:
        ModelFileError: for any error that is not one of ours.
    """
    try:
        yield
    except OptimError:
        raise
    except Exception as error:  # struct.error, IndexError, UnicodeDecodeError, ...
        raise ModelFileError(
            f"the LiteRT model is damaged or cut off ({error}): make or fetch the file again"
        ) from error


def check_tables(model: Any, size: int) -> None:
    """Look at every reference in a file: from table to table, and into its data.

    Args:
        model: root table.
        size: of the file, in bytes.

    Raises:
        ValueError: naming a number that is out of range; or whatever a table raises that
            lies outside the file. Callers are within `damage_refused`.
    """
    subgraphs = _count(model.SubgraphsLength(), size, "subgraphs")
    if subgraphs < 1:
        raise ValueError("no subgraph")
    buffers = _count(model.BuffersLength(), size, "buffers")
    codes = _count(model.OperatorCodesLength(), size, "operator codes")
    for i in range(buffers):
        buffer = model.Buffers(i)
        buffer.DataAsNumpy()
        if buffer.Offset() > 1 and buffer.Offset() + buffer.Size() > size:
            raise ValueError(f"buffer {i} ends behind the file")
    for i in range(codes):
        model.OperatorCodes(i).CustomCode()
    for i in range(subgraphs):
        _check_graph(model.Subgraphs(i), size, buffers, codes)
    for i in range(_count(model.MetadataLength(), size, "metadata entries")):
        _within(model.Metadata(i).Buffer(), buffers, "buffer")
    tensors = model.Subgraphs(0).TensorsLength()
    for i in range(_count(model.SignatureDefsLength(), size, "signatures")):
        signature = model.SignatureDefs(i)
        _within(signature.SubgraphIndex(), subgraphs, "subgraph")
        ends = [signature.Inputs(k) for k in range(signature.InputsLength())]
        ends += [signature.Outputs(k) for k in range(signature.OutputsLength())]
        if signature.SubgraphIndex() == 0:
            for end in ends:
                _within(end.TensorIndex(), tensors, "tensor")


def _check_graph(graph: Any, size: int, buffers: int, codes: int) -> None:
    tensors = _count(graph.TensorsLength(), size, "tensors")
    for i in range(tensors):
        tensor = graph.Tensors(i)
        tensor.Name(), tensor.ShapeAsNumpy(), tensor.ShapeSignatureAsNumpy()
        _within(tensor.Buffer(), buffers, "buffer")
    ends = [*_numbers(graph.InputsAsNumpy()), *_numbers(graph.OutputsAsNumpy())]
    for number in ends:
        _within(number, tensors, "tensor")
    for i in range(_count(graph.OperatorsLength(), size, "operators")):
        operator = graph.Operators(i)
        _within(operator.OpcodeIndex(), codes, "operator code")
        for number in _numbers(operator.InputsAsNumpy()):
            if number != _LEFT_OUT:
                _within(number, tensors, "tensor")
        for number in _numbers(operator.OutputsAsNumpy()):
            if number != _LEFT_OUT:
                _within(number, tensors, "tensor")


_LEFT_OUT = -1  # what stands for an operand that is not there


def _numbers(vector: Any) -> list[int]:
    return [] if isinstance(vector, int) else [int(one) for one in vector]


def _count(number: int, size: int, what: str) -> int:
    """The length of a vector: each element takes four bytes at least."""
    if not 0 <= 4 * number <= size:
        raise ValueError(f"{number} {what} in a file of {size} bytes")
    return number


def _within(number: int, count: int, what: str) -> None:
    if not 0 <= number < count:
        raise ValueError(f"{what} {number} of {count}")
