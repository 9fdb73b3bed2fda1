"""What is left in a file of how it was made: long names, and tensors that no operation has.

Of a layer of a few thousand weights they are a tenth of the file.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

#: The reading of a variable: an operation that is a constant in a file.
_READ = re.compile(r"/ReadVariableOp(_\d+)?$")


def shorten_names(file: Any) -> None:
    """Leave out of names, in place, what says nothing of a layer that the rest does not.

    Args:
        file: from `writer.unpack`.
    """
    for graph in file.subgraphs:
        for tensor in graph.tensors:
            if tensor.name:
                tensor.name = shortened(tensor.name.decode(errors="replace")).encode()


def shortened(name: str) -> str:
    """The names of operations that were made one (`a;b`), without reads of variables by another."""
    parts = list(dict.fromkeys(name.split(";")))
    kept = [one for one in parts if not _READ.search(one) or _READ.sub("", one) not in parts]
    return ";".join(kept)


def drop_tensors(file: Any) -> None:
    """Take tensors that no operation has out of every graph, in place; the others move up.

    Args:
        file: from `writer.unpack`.
    """
    for number, graph in enumerate(file.subgraphs):
        used = {-1, *_numbers(graph.inputs), *_numbers(graph.outputs)}
        for op in graph.operators:
            for ends in _ENDS:
                used.update(_numbers(getattr(op, ends)))
        maps = [
            one
            for signature in file.signatureDefs or ()
            if signature.subgraphIndex == number
            for one in (*(signature.inputs or ()), *(signature.outputs or ()))
        ]
        used.update(int(one.tensorIndex) for one in maps)
        kept = [i for i in range(len(graph.tensors)) if i in used]
        place = {-1: -1, **{old: new for new, old in enumerate(kept)}}
        graph.tensors = [graph.tensors[i] for i in kept]
        for table, names in [(graph, _ENDS[:2]), *((op, _ENDS) for op in graph.operators)]:
            for name in names:
                found = getattr(table, name)
                if found is not None:
                    moved = [place[one] for one in _numbers(found)]
                    setattr(table, name, np.asarray(moved, np.int32))
        for one in maps:
            one.tensorIndex = place[int(one.tensorIndex)]


_ENDS = ("inputs", "outputs", "intermediates")


def _numbers(vector: Any) -> list[int]:
    return [] if vector is None else [int(one) for one in vector]
