"""`load_model`: a model from a file of any format."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from optim.errors import ConfigError, ModelFileError, OptimError, UntrustedFileError
from optim.files.detection import detect, refuse
from optim.files.known import known_names
from optim.files.readers import READERS, Loading, read
from optim.saving import LOADING, custom_object_scope

__all__ = ["load_model"]

_LONGEST = 600


def load_model(
    path: str | os.PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    *,
    safe_mode: bool = True,
) -> Any:
    """Load a model from a file, whatever its format: what is in it tells, not its name.

    - `.keras` and `.h5` files of Keras 2 and of Keras 3. A model of Keras 3 is loaded with
      Keras 3 and becomes its twin of tf_keras (see `optim.from_keras3`).
    - A SavedModel folder of Keras 2.
    - Any other SavedModel folder, that of `model.export` too: a model of one layer, which can be
      exported, with quantization after training, and compared; not trained, pruned or
      quantized for training.

    Args:
        path: the file, or the folder of a SavedModel.
        custom_objects: objects by name, besides those of `custom_object_scope`.
        compile: whether to restore the compile state.
        safe_mode: whether to refuse a file that brings code or asks for more than layers: Python
            code of a Lambda; classes and functions of modules that it names, but those of Keras,
            tfmot, this package, `custom_objects`, and what is registered with Keras; operations
            that read, write or call Python. False runs all of that: for files you trust.

    Returns:
        A `tf_keras.Model`.

    Raises:
        UntrustedFileError: the file brings code, in safe mode.
        ModelFileError: there is no such file, or it cannot be loaded; the message says
            why, and the original error, if there is one, is its `__cause__`.
        OptimError: a model of Keras 3 has no twin.
    """
    path = Path(path)
    found = detect(path)
    if not found.is_model:
        raise refuse(path, found)
    custom = dict(custom_objects or {})
    reader = READERS[found]
    try:
        with ExitStack() as stack:
            stack.enter_context(custom_object_scope(custom))
            looked = reader.look(path, known_names(custom) if safe_mode else ())
            if safe_mode and looked.problems:
                raise UntrustedFileError(str(path), looked.problems)
            for context in LOADING:
                stack.enter_context(context())
            return read(path, reader, looked, Loading(custom, compile, safe_mode))
    except UntrustedFileError:
        raise
    except ModelFileError as error:
        if str(path) in str(error):
            raise
        raise ModelFileError(f"cannot load a model from {str(path)!r}: {error}") from error
    except OptimError as error:
        if isinstance(error, ConfigError):  # what a layer of the file says of its own config
            raise ModelFileError(f"cannot load a model from {str(path)!r}: {error}") from error
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        if len(reason) > _LONGEST:
            reason = f"{reason[:_LONGEST]} ..."
        raise ModelFileError(
            f"cannot load a model from {str(path)!r}, {found.title}: {reason}"
        ) from error
