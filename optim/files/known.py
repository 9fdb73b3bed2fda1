"""Names that a file may use, because the caller has registered or given what they stand for."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from optim._keras import keras
from optim.saving import default_custom_objects


def known_names(custom_objects: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of objects given, of those registered, and of those of this package."""
    names = {*custom_objects, *default_custom_objects(), *keras.utils.get_custom_objects()}
    # Objects of a scope that the caller has put around the call.
    from tf_keras.src.saving.object_registration import _THREAD_LOCAL_CUSTOM_OBJECTS

    names |= set(vars(_THREAD_LOCAL_CUSTOM_OBJECTS))
    three = sys.modules.get("keras")
    if three is not None:  # Keras 3, if whoever calls has imported it
        names |= set(three.saving.get_custom_objects())
    return frozenset(names)
