"""What `optim.export` wrote into a file about itself."""

from __future__ import annotations

import json
from typing import Any

from optim.errors import ModelFileError
from optim.litert import flatbuffer

ENTRY = "optim"  # name of the entry in the file's metadata
FORMAT = 1  # version of the JSON in it


def read_metadata(content: flatbuffer.Content) -> dict[str, Any]:
    """Return the JSON entry of a file; empty if `optim.export` did not write it.

    Keys: `format`, `model` (name), `techniques`, `scheme`, `io_dtype`, `inputs` and
    `outputs` (each a list of name, shape, dtype and range of values), `versions`.

    Raises:
        ModelFileError: not a LiteRT model, or the entry is damaged.
    """
    model = flatbuffer.parse(content)
    for i in range(model.MetadataLength()):
        entry = model.Metadata(i)
        if entry.Name() == ENTRY.encode():
            data = model.Buffers(entry.Buffer()).DataAsNumpy()
            try:
                return dict(json.loads(bytes(data)))
            except (TypeError, ValueError) as error:
                raise ModelFileError(f"the entry {ENTRY!r} of the file is damaged") from error
    return {}
