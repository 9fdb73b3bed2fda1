"""Which format a file has, by what is in it: a name may say anything.

Needs no TensorFlow, and reads no more than a few kilobytes.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optim.errors import ModelFileError
from optim.files import formats
from optim.files.archives import CONFIG, METADATA, member, opened
from optim.files.formats import Format
from optim.files.hdf5 import MAGIC, attribute, hdf5_opened

#: Files of a folder, the first that is there decides.
_IN_FOLDERS: tuple[tuple[str, Format], ...] = (
    ("keras_metadata.pb", formats.KERAS_SAVED_MODEL),
    ("saved_model.pb", formats.SAVED_MODEL),
    ("saved_model.pbtxt", formats.SAVED_MODEL),
    ("checkpoint", formats.CHECKPOINT),
)

#: Where a SavedModel begins.
_SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")


def detect(path: Path) -> Format:
    """Return the format of a file or folder.

    Raises:
        ModelFileError: there is none, or it cannot be read.
    """
    try:
        if not path.exists():
            raise ModelFileError(f"no model file at {str(path)!r}")
        if not (path.is_dir() or path.is_file()):  # a pipe or a device would be read for ever
            raise ModelFileError(f"{str(path)!r} is neither a file nor a folder")
        return _of_folder(path) if path.is_dir() else _of_file(path)
    except ModelFileError:
        raise
    except (OSError, ValueError) as error:
        raise ModelFileError(f"cannot read {str(path)!r}: {error}") from error


def refuse(path: Path, found: Format) -> ModelFileError:
    """Return the error for a file that no model can be loaded from."""
    return ModelFileError(
        f"cannot load a model from {str(path)!r}: it is {found.title} -> {found.instead}"
    )


def _of_folder(path: Path) -> Format:
    saved = any((path / name).is_file() for name in _SAVED_MODEL_FILES)
    for name, found in _IN_FOLDERS:
        if (path / name).is_file() and (saved or found is formats.CHECKPOINT):
            return found
    return formats.FOLDER


def _of_file(path: Path) -> Format:
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        return formats.EMPTY
    for fits, found in _BY_HEAD:
        if fits(head):
            return found if isinstance(found, Format) else found(path)
    if path.name in _SAVED_MODEL_FILES or path.name == "keras_metadata.pb":
        return formats.PROTOBUF
    return formats.UNKNOWN


def _archive(path: Path) -> Format:
    try:
        with opened(path) as archive:
            names = set(archive.namelist())
            if CONFIG in names:
                return _by_version(
                    _json(archive, METADATA).get("keras_version") if METADATA in names else None,
                    formats.KERAS2_ARCHIVE,
                    formats.KERAS3_ARCHIVE,
                )
    except ModelFileError:
        # Told again, and with the reason, by whoever reads it.
        return formats.DAMAGED_ARCHIVE if path.suffix == ".keras" else formats.UNKNOWN
    if any(name.endswith("data.pkl") for name in names):
        return formats.TORCH
    if any(name.endswith((".npy", ".weights.h5")) for name in names):
        return formats.WEIGHTS
    return formats.PACKED


def _hdf5(path: Path) -> Format:
    try:
        with hdf5_opened(path) as file:
            if "model_config" not in file.attrs:
                return formats.WEIGHTS
            version = attribute(file, "keras_version")
    except ModelFileError:
        return formats.DAMAGED_HDF5  # told with the reason by whoever reads it
    return _by_version(version, formats.KERAS2_HDF5, formats.KERAS3_HDF5)


def _by_version(version: object, two: Format, three: Format) -> Format:
    return three if str(version or "").partition(".")[0].isdigit() and _major(version) > 2 else two


def _major(version: object) -> int:
    return int(str(version).partition(".")[0])


def _json(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    try:
        found = json.loads(member(archive, name))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


#: The first bytes of a file -> what it is, or who looks further.
_BY_HEAD: tuple[tuple[Callable[[bytes], bool], Format | Callable[[Path], Format]], ...] = (
    (lambda head: head.startswith(b"PK\x03\x04"), _archive),
    (lambda head: head.startswith(MAGIC), _hdf5),
    (lambda head: head[4:8] == b"TFL3", formats.LITERT),
    (lambda head: head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")), formats.PACKED),
    (lambda head: head[257:262] == b"ustar", formats.PACKED),
    (lambda head: head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05", formats.PICKLE),
    (lambda head: head.startswith((b"\x93NUMPY", b"PK\x05\x06")), formats.WEIGHTS),
    (lambda head: head.lstrip()[:1] in (b"{", b"["), formats.JSON),
    (lambda head: b"onnx" in head or b"pytorch" in head, formats.ONNX),
)
