"""From the name of an operation to the layer that made it."""

from __future__ import annotations


def layer_of(name: str, model_name: str = "") -> str:
    """Return the layer that made an operation, from the operation's name.

    Keras opens a name scope per model and layer: `model/block/conv/Conv2D` is an operation
    of the layer `conv` in the nested model `block`.

    Args:
        name: of the operation or its tensor; of several merged into one (`a;b`) the first.
        model_name: name of the outermost model, which is left out.
    """
    parts = name.split(";")[0].split(":")[0].split("/")
    if len(parts) > 1 and parts[0] == model_name:
        parts = parts[1:]
    return "/".join(parts[:-1] or parts)
