"""HDF5 files, of which nothing is believed: what they hold stays inside and has bounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optim.errors import ModelFileError
from optim.files.archives import MOST_TEXT, growth

MAGIC = b"\x89HDF\r\n\x1a\n"

_MOST_OBJECTS = 1_000_000


@contextmanager
def hdf5_opened(path: Path, called: str = "") -> Iterator[Any]:
    """Open a file for reading.

    Args:
        path: of the file.
        called: what a message calls it, if not by its path.

    Raises:
        ModelFileError: it is damaged; so is whatever h5py raises while it is open.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except ModelFileError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, UnicodeError) as error:
        raise ModelFileError(
            f"cannot read {called or repr(str(path))}: it is a damaged HDF5 file ({error}) -> "
            "copy or save it again"
        ) from error


def attribute(file: Any, name: str) -> str | None:
    """Return an attribute as text; None if there is none.

    Raises:
        ModelFileError: it is no text, or longer than any.
    """
    if name not in file.attrs:
        return None
    if file.attrs.get_id(name).get_storage_size() > MOST_TEXT:
        raise ModelFileError(f"the attribute {name!r} is longer than {MOST_TEXT} bytes")
    value = file.attrs[name]
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if not isinstance(value, str):
        raise ModelFileError(f"the attribute {name!r} is no text")
    return value


def stored_bytes(file: Any, size: int) -> int:
    """Return the bytes of all values in a file, once everything in it is looked at.

    Args:
        file: open.
        size: of the file, in bytes.

    Raises:
        ModelFileError: a link or the values of a dataset are in another file, or the values are
            far more than the file can hold.
    """
    import h5py

    total = objects = 0
    waiting: list[Any] = [file]
    seen: set[int] = set()
    while waiting:
        group = waiting.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            continue
        seen.add(address)
        for name in group:
            objects += 1
            if objects > _MOST_OBJECTS:
                raise ModelFileError(f"it has more than {_MOST_OBJECTS} objects")
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise ModelFileError(
                    f"it is refused: {name!r} in it is a link, perhaps to another file -> save the "
                    "model again with model.save"
                )
            found = group[name]
            if isinstance(found, h5py.Group):
                waiting.append(found)
            elif isinstance(found, h5py.Dataset):
                if found.external or found.is_virtual:
                    raise ModelFileError(
                        f"it is refused: the values of {found.name} are in another file -> save "
                        "the model again with model.save"
                    )
                total += int(found.size or 0) * found.dtype.itemsize
    if total > growth(size):
        raise ModelFileError(
            f"it is refused: {size} bytes of file would become {total}, as a compression bomb "
            "does -> save the model again with model.save"
        )
    return total
