"""How each format is looked through and read: a table with one entry for each."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from optim._keras import keras
from optim.errors import ModelFileError, Problem
from optim.files import archives, formats
from optim.files.budget import variables_within
from optim.files.configs import problems
from optim.files.graph_model import read_graph_model
from optim.files.hdf5 import attribute, hdf5_opened, stored_bytes
from optim.files.saved_models import graph_problems, layer_problems, read_graph


@dataclass(frozen=True)
class Loading:
    """What the caller of `load_model` wants.

    Attributes:
        custom_objects: objects by name.
        compile: whether to restore the compile state.
        safe: whether nothing that the file brings may run.
    """

    custom_objects: Mapping[str, Any]
    compile: bool
    safe: bool


@dataclass(frozen=True)
class Looked:
    """What was found in a file before anything was made of it.

    Attributes:
        problems: what it would have run, imported or opened.
        stored: bytes of weights in it; None where it says nothing of them.
    """

    problems: tuple[Problem, ...]
    stored: int | None = None


@dataclass(frozen=True)
class Reader:
    """One format.

    Attributes:
        look: looks through a file; the names are those that it may use.
        read: makes the model.
    """

    look: Callable[[Path, Collection[str]], Looked]
    read: Callable[[Path, Loading], Any]


def read(path: Path, reader: Reader, looked: Looked, loading: Loading) -> Any:
    """Make the model, in bounded memory."""
    if looked.stored is None:
        return reader.read(path, loading)
    with variables_within(looked.stored):
        return reader.read(path, loading)


# -- .keras -----------------------------------------------------------------------------------


def _look_archive(path: Path, known: Collection[str]) -> Looked:
    with archives.opened(path) as archive:
        config = _parsed(archives.member(archive, archives.CONFIG), path)
        stored = 0
        if archives.WEIGHTS in archive.namelist():
            entry = archive.getinfo(archives.WEIGHTS)
            with TemporaryDirectory(prefix="optim-") as folder:
                weights = Path(archive.extract(entry, folder))
                called = f"the weights in {str(path)!r}"
                with hdf5_opened(weights, called) as file:
                    stored = stored_bytes(file, path.stat().st_size)
        else:
            stored = sum(one.file_size for one in archive.infolist())
    return Looked(tuple(problems(config, known)), stored)


def _read_keras2_archive(path: Path, loading: Loading) -> Any:
    with named(path, ".keras") as file, _archive_unpacked():
        return keras.models.load_model(file, compile=loading.compile, safe_mode=loading.safe)


def _read_keras3_archive(path: Path, loading: Loading) -> Any:
    with named(path, ".keras") as file:
        return _by_keras3(file, loading)


# -- HDF5 -------------------------------------------------------------------------------------


def _look_hdf5(path: Path, known: Collection[str]) -> Looked:
    with hdf5_opened(path) as file:
        stored = stored_bytes(file, path.stat().st_size)
        texts = [attribute(file, name) for name in ("model_config", "training_config")]
    found = [
        problem
        for text in texts
        if text is not None
        for problem in problems(_parsed(text, path), known)
    ]
    return Looked(tuple(found), stored)


def _read_keras2_hdf5(path: Path, loading: Loading) -> Any:
    with named(path, ".h5") as file:
        return keras.models.load_model(file, compile=loading.compile)


def _read_keras3_hdf5(path: Path, loading: Loading) -> Any:
    with named(path, ".h5") as file:
        return _by_keras3(file, loading)


# -- SavedModel -------------------------------------------------------------------------------


def _look_keras_saved_model(path: Path, known: Collection[str]) -> Looked:
    return Looked((*layer_problems(path, known), *graph_problems(read_graph(path))))


def _read_keras_saved_model(path: Path, loading: Loading) -> Any:
    return keras.models.load_model(path, compile=loading.compile)


def _look_saved_model(path: Path, known: Collection[str]) -> Looked:
    return Looked(tuple(graph_problems(read_graph(path))))


def _read_saved_model(path: Path, loading: Loading) -> Any:
    return read_graph_model(path)


#: Format -> how it is read.
READERS: Mapping[formats.Format, Reader] = {
    formats.KERAS2_ARCHIVE: Reader(_look_archive, _read_keras2_archive),
    formats.KERAS3_ARCHIVE: Reader(_look_archive, _read_keras3_archive),
    formats.KERAS2_HDF5: Reader(_look_hdf5, _read_keras2_hdf5),
    formats.KERAS3_HDF5: Reader(_look_hdf5, _read_keras3_hdf5),
    # Looking says what is damaged.
    formats.DAMAGED_ARCHIVE: Reader(_look_archive, _read_keras2_archive),
    formats.DAMAGED_HDF5: Reader(_look_hdf5, _read_keras2_hdf5),
    formats.KERAS_SAVED_MODEL: Reader(_look_keras_saved_model, _read_keras_saved_model),
    formats.SAVED_MODEL: Reader(_look_saved_model, _read_saved_model),
}


# -- what they share --------------------------------------------------------------------------


def _parsed(text: str | bytes, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"cannot load a model from {str(path)!r}: its description is no JSON "
            f"({type(error).__name__}: {error}) -> copy or save it again"
        ) from error


def _by_keras3(path: Path, loading: Loading) -> Any:
    """Load with Keras 3, which is another package, and go on with the twin of tf_keras."""
    try:
        import keras as keras3
    except ImportError as error:
        raise ModelFileError(
            f"cannot load a model from {str(path)!r}: it is of Keras 3, which is not installed -> "
            "pip install keras"
        ) from error
    from optim.keras3.api import from_keras3

    model = keras3.models.load_model(
        path,
        custom_objects=dict(loading.custom_objects),
        compile=loading.compile,
        safe_mode=loading.safe,
    )
    return from_keras3(model)


@contextmanager
def named(path: Path, suffix: str) -> Iterator[Path]:
    """Return a name for a file that ends as Keras wants it: it goes by names."""
    if path.suffix == suffix:
        yield path
        return
    with TemporaryDirectory(prefix="optim-") as folder:
        link = Path(folder, f"{path.stem or 'model'}{suffix}")
        link.symlink_to(path.absolute())
        yield link


@contextmanager
def _archive_unpacked() -> Iterator[None]:
    """Let Keras read the weights of a `.keras` archive from a file of their own.

    It reads the HDF5 file inside the archive through a zip stream, which starts again from
    the front whenever HDF5 seeks backwards: 38 s for a ResNet50, against 2 s from a file. Not
    from memory, where it would be as large as the model, masks included.
    """
    library: Any = import_module("tf_keras.src.saving.saving_lib")
    original = library.H5IOStore
    with TemporaryDirectory(prefix="optim-") as folder:

        class UnpackedStore(original):  # type: ignore[misc, valid-type]  # found at run time
            def __init__(self, root_path: str, archive: Any = None, mode: str = "r") -> None:
                if archive is not None and mode == "r":
                    super().__init__(archive.extract(root_path, folder), mode=mode)
                else:
                    super().__init__(root_path, archive, mode)

        library.H5IOStore = UnpackedStore
        try:
            yield
        finally:
            library.H5IOStore = original
