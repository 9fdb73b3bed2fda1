"""Zip archives, of which nothing is believed: sizes, names and members have bounds."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from optim.errors import ModelFileError

#: Members of a `.keras` file.
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"

#: How many bytes a description of a model may have: those of a thousand layers take three million.
MOST_TEXT = 256 << 20

#: What may come out of a compressed file: this share of its size, and this much in any case.
#: Half of a pruned model's weights are zeros, and a file of them shrinks to a fifth.
MOST_GROWTH, ALWAYS = 100, 64 << 20

_MOST_MEMBERS = 100_000


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive and see that it can be unpacked without harm.

    Raises:
        ModelFileError: it is damaged, would grow beyond all bounds, or names files outside.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check(archive, path)
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelFileError(
            f"cannot read {str(path)!r}: it is a damaged archive ({error}) -> copy or save it again"
        ) from error


def _check(archive: zipfile.ZipFile, path: Path) -> None:
    size = path.stat().st_size
    members = archive.infolist()
    if len(members) > _MOST_MEMBERS or sum(m.file_size for m in members) > growth(size):
        raise ModelFileError(
            f"{str(path)!r} is refused: {size} bytes of archive would become "
            f"{sum(m.file_size for m in members)} in {len(members)} members, as a zip bomb does "
            "-> save the model again with model.save"
        )
    for one in members:
        name = PurePosixPath(one.filename.replace("\\", "/"))
        is_link = (one.external_attr >> 16) & 0o170000 == 0o120000
        if name.is_absolute() or ".." in name.parts or is_link or ":" in one.filename:
            raise ModelFileError(
                f"{str(path)!r} is refused: its member {one.filename!r} points outside of it "
                "-> save the model again with model.save"
            )


def growth(size: int) -> int:
    """Return how many bytes may come out of a file of this size."""
    return max(ALWAYS, MOST_GROWTH * size)


def member(archive: zipfile.ZipFile, name: str, most: int = MOST_TEXT) -> bytes:
    """Return the content of a member, of bounded size whatever its entry says.

    Raises:
        ModelFileError: there is none, or it is longer.
    """
    try:
        with archive.open(name) as file:
            content = file.read(most + 1)
    except KeyError as error:
        raise ModelFileError(f"the archive has no {name}: it is no model of Keras") from error
    if len(content) > most:
        raise ModelFileError(f"{name} in the archive is longer than {most} bytes")
    return content
