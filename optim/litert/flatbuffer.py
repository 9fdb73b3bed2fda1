"""The file format: a LiteRT file as the generated classes of its schema read it.

All that this project takes from the package `ai-edge-litert` goes through here. Neither it nor
TensorFlow is imported before something is asked for.
"""

from __future__ import annotations

import importlib
import mmap
import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from optim.errors import MissingPackageError, ModelFileError
from optim.litert.damage import check_tables, damage_refused

_IDENTIFIER = b"TFL3"

Content: TypeAlias = bytes | mmap.mmap


def _module(name: str) -> Any:
    try:
        return importlib.import_module(f"ai_edge_litert.{name}")
    except ImportError as error:
        python = os.path.basename(sys.executable) or "python"
        raise MissingPackageError(
            "the LiteRT runtime is not installed, or not for this Python: run "
            f"`{python} -m pip install ai-edge-litert` ({error})",
            name="ai_edge_litert",
        ) from error


@cache
def schema() -> Any:
    """Return the generated classes of the flatbuffer schema."""
    return _module("schema_py_generated")


@cache
def _names(enumeration: str) -> dict[int, str]:
    values = vars(getattr(schema(), enumeration))
    return {v: k for k, v in values.items() if isinstance(v, int) and not k.startswith("_")}


def dtype_name(code: int) -> str:
    """Return the name of a tensor type: "float32", "int8", ..., "bool"."""
    return _names("TensorType").get(code, f"type {code}").lower()


def operator_name(code: int) -> str:
    """Return the name of a builtin operator: "CONV_2D", ..."""
    return _names("BuiltinOperator").get(code, f"OPERATOR_{code}")


def integer_range(code: int) -> tuple[int, int] | None:
    """Return least and greatest value of a quantized tensor type; None for others."""
    name = dtype_name(code)
    if name not in ("int4", "int8", "uint8", "int16"):
        return None
    bits = int(name.lstrip("uint"))
    return (0, 2**bits - 1) if name[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@dataclass(frozen=True)
class LiteRTFile:
    """A file that was read and checked once, for all who look into it.

    Attributes:
        content: of the file; of one with a path only what is looked at is read.
        root: its root table (`schema().Model`).
        path: where it lies; None: it was given as content.
    """

    content: Content
    root: Any
    path: str | None = None


def opened(source: LiteRTFile | Content | bytearray | str | os.PathLike[str]) -> LiteRTFile:
    """Read and check a LiteRT file, unless that was done.

    Args:
        source: its content or path, or what this function returned.

    Raises:
        ModelFileError: no such file, not a LiteRT model, or a damaged one.
    """
    if isinstance(source, LiteRTFile):
        return source
    content = mapped(source)
    path = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
    return LiteRTFile(content, parse(content), path)


def mapped(source: Content | bytearray | str | os.PathLike[str]) -> Content:
    """Return the content of a LiteRT file, of which only what is looked at is read.

    Args:
        source: the content, or the path of the file.

    Raises:
        ModelFileError: no such file, or not a LiteRT model.
    """
    if isinstance(source, mmap.mmap):
        return source
    if isinstance(source, (bytes, bytearray, memoryview)):
        return read(source)
    try:
        with open(source, "rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # no such file, or an empty one
        return read(source)
    return content if content[4:8] == _IDENTIFIER else read(source)


def read(source: Content | bytearray | str | os.PathLike[str]) -> bytes:
    """Return the content of a LiteRT file.

    Args:
        source: the content, or the path of the file.

    Raises:
        ModelFileError: no such file, or not a LiteRT model.
    """
    if isinstance(source, (bytes, bytearray, memoryview, mmap.mmap)):
        content, name = bytes(source), "the data"
    else:
        name = repr(os.fspath(source))
        try:
            content = Path(source).read_bytes()
        except OSError as error:
            reason = "there is no such file" if not Path(source).exists() else str(error)
            raise ModelFileError(f"cannot read {name}: {reason}") from error
    if content[4:8] != _IDENTIFIER:
        raise ModelFileError(
            f"{name} is not a LiteRT model: it lacks the mark {_IDENTIFIER.decode()!r} of a "
            f".tflite file ({_guess(content)})"
        )
    return content


def _guess(content: bytes) -> str:
    known = {
        b"\x89HDF": "it is an HDF5 file: load it with optim.load_model and export it",
        b"PK\x03\x04": "it is a zip archive, perhaps a .keras file: load and export it",
    }
    empty = "it is empty" if not content else f"it has {len(content)} bytes"
    return known.get(content[:4], empty)


def parse(content: Content) -> Any:
    """Return the root table (`schema().Model`) of a file's content.

    Raises:
        ModelFileError: not a LiteRT model, or a damaged one.
    """
    data = mapped(content)
    tables = schema().Model
    with damage_refused():
        model = tables.GetRootAs(data, 0)
        check_tables(model, len(data))
    return model
