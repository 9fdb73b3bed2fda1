"""SavedModel folders: what their graphs do, and what Keras has written beside them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from optim.errors import ModelFileError, Problem
from optim.files.configs import problems
from optim.files.operations import SAVING, not_allowed

#: A message of protocol buffers is never longer.
_MOST_BYTES = 1 << 31

_REMEDY = "save a model that computes only"


def read_graph(path: Path) -> Any:
    """Return the `SavedModel` message of a folder.

    Raises:
        ModelFileError: it is damaged, or has several graphs.
    """
    from google.protobuf import text_format  # type: ignore[import-untyped]
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorflow.core.protobuf import saved_model_pb2

    found = saved_model_pb2.SavedModel()
    try:
        if (path / "saved_model.pb").is_file():
            found.ParseFromString(_content(path / "saved_model.pb"))
        else:
            text_format.Parse(_content(path / "saved_model.pbtxt"), found)
    except (DecodeError, text_format.ParseError, UnicodeDecodeError, RuntimeError) as error:
        raise _damaged(path, error) from error
    if len(found.meta_graphs) != 1:
        raise ModelFileError(
            f"cannot load a model from {str(path)!r}: its SavedModel has {len(found.meta_graphs)} "
            "graphs, of one wanted -> save the model again with model.export or model.save"
        )
    return found


def graph_problems(saved: Any) -> Iterator[Problem]:
    """Find operations that reach beyond the model.

    What writes and reads the variables may: it is in functions of its own, which nobody calls
    but for that.
    """
    graph = saved.meta_graphs[0].graph_def
    bodies = {f.signature.name: list(f.node_def) for f in graph.library.function}
    saver = saved.meta_graphs[0].saver_def
    ends = {name.partition(":")[0] for name in (saver.save_tensor_name, saver.restore_op_name)}
    # Only by the saver may such a function be called.
    theirs = {
        name
        for node in graph.node
        if node.name in ends
        for name in _functions_of(node)
        if any(one.op in SAVING for one in bodies.get(name, ()))
    }
    called = {
        name
        for owner, nodes in bodies.items()
        if owner not in theirs
        for node in nodes
        for name in _functions_of(node)
    } | {name for node in graph.node if node.name not in ends for name in _functions_of(node)}
    known: dict[str, str] = {}
    places = [("the graph", list(graph.node)), *bodies.items()]
    for place, nodes in places:
        for node in nodes:
            if place in theirs - called and node.op in SAVING:
                continue
            if node.op not in known:
                known[node.op] = "" if node.op in bodies else not_allowed(node.op)
            if known[node.op]:
                yield Problem(f"{place}: {node.name}", known[node.op], _REMEDY)


def _functions_of(node: Any) -> Iterator[str]:
    for value in node.attr.values():
        if value.func.name:
            yield value.func.name
        for one in value.list.func:
            yield one.name
    yield node.op


def layer_problems(path: Path, known: Collection[str]) -> Iterator[Problem]:
    """Find what Keras' description of the layers would have run, imported or opened.

    Raises:
        ModelFileError: it cannot be read.
    """
    for text in _descriptions(path):
        yield from problems(text, known)


def _descriptions(path: Path) -> Iterator[Any]:
    from google.protobuf.message import DecodeError
    from tf_keras.protobuf import saved_metadata_pb2

    metadata = saved_metadata_pb2.SavedMetadata()
    try:
        metadata.ParseFromString(_content(path / "keras_metadata.pb"))
        for node in metadata.nodes:
            if node.metadata:
                yield json.loads(node.metadata)
    except (DecodeError, ValueError, RuntimeError, RecursionError) as error:
        raise _damaged(path, error) from error


def _content(file: Path) -> bytes:
    if file.stat().st_size >= _MOST_BYTES:
        raise ModelFileError(f"{file.name} has more than {_MOST_BYTES} bytes, as no message has")
    return file.read_bytes()


def _damaged(path: Path, error: Exception) -> ModelFileError:
    return ModelFileError(
        f"cannot load a model from {str(path)!r}: it is a damaged SavedModel "
        f"({type(error).__name__}: {error}) -> copy or save it again"
    )
