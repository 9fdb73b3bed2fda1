"""Variables made eagerly share the kernel that makes them.

TensorFlow keeps the kernel of an eager operation for the next one with the same attributes.
The handle of a variable has the variable's name among them, for messages, so each gets a
kernel of its own: 0.4 of the 0.5 ms that making one takes, and a case makes thousands.
"""

from __future__ import annotations

import functools
from typing import Any


def share_kernels() -> None:
    """Have handles made eagerly without the name; those of graphs keep it."""
    from tensorflow.python.eager import context
    from tensorflow.python.ops import gen_resource_variable_ops as operations

    original = operations.var_handle_op
    if hasattr(original, "__wrapped__") and original.__module__ == __name__:
        return

    @functools.wraps(original)
    def var_handle_op(*args: Any, **attributes: Any) -> Any:
        if context.executing_eagerly():
            attributes = {**attributes, "debug_name": "", "name": None}
        return original(*args, **attributes)

    var_handle_op.__module__ = __name__
    operations.var_handle_op = var_handle_op
