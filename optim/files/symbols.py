"""Layers that Keras makes of calls of TensorFlow: which functions they may name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from optim.files.operations import not_allowed

#: Parts of TensorFlow whose functions compute.
_COMPUTE = frozenset(
    {"math", "nn", "image", "linalg", "signal", "strings", "sparse", "ragged", "random"}
    | {"bitwise", "sets", "quantization", "dtypes", "audio", "__operators__", "v1", "compat"}
    | {"keras", "activations", "backend", "losses"}
)

#: A part of a part that does not compute as a whole.
_NUMPY = ["experimental", "numpy"]

#: Names of functions that do more, wherever they are: Python, files, libraries, sessions.
_MORE = re.compile(
    r"py_func\w*|numpy_function|load_\w+|function|print|import_graph_def|\w*file\w*|\w*librar\w*|"
    r"\w*[Ss]ession\w*|init_scope|device|name_scope|custom_gradient|recompute_grad|\w*logger\w*|"
    r"[A-Z]\w*"
)

#: Classes of TensorFlow whose methods compute.
_CLASSES = frozenset({"RaggedTensor", "SparseTensor", "Tensor"})

_WORD = re.compile(r"[A-Za-z]\w*")


def runs_code(kind: str, config: Mapping[str, Any]) -> str:
    """Say what a layer of this class would do beyond computing; "" if nothing.

    Args:
        kind: the class of the layer.
        config: its own.
    """
    if kind in ("TFOpLambda", "SlicingOpLambda"):
        return _of_function(config.get("function"))
    if kind == "ClassMethod":
        symbol = str(config.get("cls_symbol"))
        if symbol.rpartition(".")[2] not in _CLASSES:
            return f"calls a method of tf.{symbol}"
        return _of_method(config.get("method_name"))
    if kind in ("InstanceMethod", "InstanceProperty"):
        return _of_method(config.get("method_name", config.get("attr_name")))
    if kind == "TensorFlowOpLayer":
        return _of_node(config.get("node_def"))
    return ""


def _of_function(symbol: Any) -> str:
    """A function by its path in TensorFlow's API, such as `math.add`."""
    *parents, name = str(symbol).split(".")
    if "raw_ops" in parents:
        return not_allowed(name)
    computes = parents == _NUMPY or all(part in _COMPUTE for part in parents)
    fits = computes and not _MORE.fullmatch(name)
    return "" if fits and isinstance(symbol, str) else f"calls tf.{symbol}"


def _of_method(name: Any) -> str:
    operator = str(name).startswith("__") and str(name).endswith("__")
    fits = isinstance(name, str) and (operator or _WORD.fullmatch(name))
    return "" if fits and name not in ("eval", "set_shape") else f"uses the attribute {name!r}"


def _of_node(node: Any) -> str:
    """A node of a graph, as JSON, as text or as a dict."""
    text = str(node)
    kinds = re.findall(r"""["']?\bop["']?\s*:\s*["'](\w+)["']""", text)
    if not kinds:
        return "has an operation that cannot be read"
    return next((reason for kind in kinds if (reason := not_allowed(kind))), "")
