"""The words of a call: which model and which data they mean, before anything is loaded."""

from __future__ import annotations

import re
from pathlib import Path

from harness.checking.asked import Data, Source
from harness.matrix import selection
from harness.vocabulary import UsageError

_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

#: Files of data, by the ends of their names.
ARRAYS = (".npy", ".npz")


def model(word: str) -> Source:
    """Return the model that a word names.

    Args:
      word: a path, or ``package.module:function``.

    Raises:
      UsageError: there is no such file or function, or no model can be loaded from the file.
    """
    path = Path(word)
    if not path.exists() and is_reference(word):
        function = selection.named(word).function
        return Source(word, "", f"built by {word}", function)
    from optim.errors import OptimError
    from optim.files.detection import detect, refuse

    try:
        found = detect(path)
        if not found.is_model:
            raise refuse(path, found)
    except OptimError as error:
        hint = "" if path.exists() else "; a function is given as package.module:function"
        raise UsageError(f"{error}{hint}") from error
    return Source(word, str(path.absolute()), found.title, plain(path.stem))


def data(word: str, **others: object) -> Data:
    """Return the inputs that a word names.

    Raises:
      UsageError: there is no such file, folder or function, or a file of another kind.
    """
    if not word:
        return Data(**others)  # type: ignore[arg-type]
    path = Path(word)
    if path.is_dir() or (path.is_file() and path.suffix in ARRAYS):
        return Data(word, str(path.absolute()), **others)  # type: ignore[arg-type]
    if path.exists():
        raise UsageError(
            f"--data {word}: give an .npz or .npy file, a folder of images, or "
            "package.module:function, which returns batches"
        )
    if not is_reference(word):
        raise UsageError(f"--data {word}: there is no such file or folder")
    selection.named(word)
    return Data(word, "", **others)  # type: ignore[arg-type]


def is_reference(word: str) -> bool:
    """Whether a word reads as ``package.module:name``."""
    return bool(_REFERENCE.fullmatch(word))


def custom(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return where custom objects are.

    Raises:
      UsageError: a word does not read ``package.module:Name``.
    """
    for word in words:
        if not is_reference(word):
            raise UsageError(f"--custom {word}: give package.module:Name")
    return words


def pixels(word: str) -> tuple[float | None, float | None]:
    """Return the values of black and white in images.

    Raises:
      UsageError: the word does not read LOW:HIGH.
    """
    if not word:
        return None, None
    low, _, high = word.partition(":")
    try:
        found = float(low), float(high)
    except ValueError:
        found = (0.0, 0.0)
    if not found[0] < found[1]:
        raise UsageError(f"--range {word}: must read LOW:HIGH, e.g. 0:1 or -1:1")
    return found


def plain(name: str) -> str:
    """Return a name as ids and file names take it."""
    return re.sub(r"[^A-Za-z0-9_.]+", "_", name).strip("._") or "model"
