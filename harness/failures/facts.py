"""Failures as facts: an exception, or a death, without objects and machine paths."""

from __future__ import annotations

import linecache
import re
import traceback
from typing import Any

from harness.paths import relative, scrub

#: Longer messages carry nothing more for a reader, and a page has to stay small.
MESSAGE_LIMIT = 4000
OUTPUT_LIMIT = 4000
FRAME_LIMIT = 40


def from_exception(error: BaseException) -> dict[str, Any]:
    """Return the facts of ``error``, ready for :class:`harness.records.Failure`."""
    chain = [
        {
            "type": type(one).__name__,
            "module": type(one).__module__,
            "message": _message(one),
            "notes": [scrub(_printable(str(n))) for n in getattr(one, "__notes__", ())],
        }
        for one in _chain(error)
    ]
    return {
        "type": chain[0]["type"],
        "message": chain[0]["message"],
        "chain": chain,
        "frames": _frames(error),
        "layer": _layer_facts(error),
    }


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )
    return found


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as broken:  # an exception whose __str__ raises is still a failure to report
        text = f"(its message cannot be read: {type(broken).__name__})"
    return shorten(scrub(_printable(text)), MESSAGE_LIMIT)


#: Local names under which Keras and tfmot keep the layer they work on, the last one first.
_LAYER_NAMES = ("self", "to_prune", "layer")


def _layer_facts(error: BaseException) -> dict[str, str] | None:
    """Return the layer the innermost frame worked on: its name, class and, if any, its op.

    Messages often name only a class (``TFOpLambda``) where the reader needs the op; the
    frames still hold the layer itself. A wrapper's layer counts, not the wrapper.
    """
    try:
        layer = _layer_at_fault(error)
        if layer is None:
            return None
        facts = {"name": str(layer.name), "class": type(layer).__name__}
        function = getattr(layer, "function", None)
        if "Lambda" in facts["class"] and function is not None:
            symbol = getattr(layer, "symbol", None) or getattr(function, "__name__", "")
            facts["op"] = str(symbol)
        activation = getattr(layer, "activation", None)
        if activation is not None:
            facts["activation"] = str(getattr(activation, "__name__", activation))
        return facts
    except Exception:
        # What a failing constructor leaves in its frames may raise on any attribute.
        return None


def _layer_at_fault(error: BaseException) -> Any:
    found = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for name in _LAYER_NAMES:
            value = frame.f_locals.get(name)
            if _is_layer(value):
                found = value
    while found is not None and _is_layer(getattr(found, "layer", None)):
        found = found.layer
    return found


def _is_layer(value: Any) -> bool:
    """Whether ``value`` is a finished Keras layer and no model, told without importing Keras."""
    names = [(c.__name__, c.__module__.partition(".")[0]) for c in type(value).__mro__]
    keras = {"tf_keras", "keras"}
    is_layer = any(name == "Layer" and top in keras for name, top in names)
    is_model = any(name == "Model" and top in keras for name, top in names)
    return is_layer and not is_model and "_name" in vars(value)


def _frames(error: BaseException) -> list[dict[str, Any]]:
    summary = [
        {
            "file": relative(frame.f_code.co_filename),
            "line": line,
            "function": frame.f_code.co_name,
            "code": linecache.getline(frame.f_code.co_filename, line).strip(),
        }
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    if len(summary) > FRAME_LIMIT:
        half = FRAME_LIMIT // 2
        left_out = {"file": "", "line": 0, "function": f"({len(summary) - FRAME_LIMIT} more)"}
        summary = [*summary[:half], {**left_out, "code": ""}, *summary[-half:]]
    return summary


#: The line of an AutoGraph message that says what was raised, and Keras's line before it.
_RAISED = re.compile(r"[\w.]*(Error|Exception|Exit|Interrupt|Warning): ")
_PREAMBLE = re.compile(r"([\w.]+: )?Exception encountered when calling")


def headline(message: str) -> str:
    """Return the line of a message that says what is wrong.

    Keras and AutoGraph put a preamble before it, and a list of arguments after it.
    """
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    while len(lines) > 1:
        if lines[0].startswith("in user code:"):
            raised = [n for n, line in enumerate(lines) if _RAISED.match(line)]
            lines = lines[raised[0] if raised else -1 :]
        elif _PREAMBLE.match(lines[0]) and not lines[1].startswith("Call arguments"):
            lines = lines[1:]
        else:
            break
    return lines[0] if lines else ""


def _printable(text: str) -> str:
    """Return ``text`` without what would drive the terminal of whoever reads it."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def shorten(text: str, limit: int) -> str:
    """Return ``text`` with its middle left out where it is longer than ``limit``."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - limit} characters left out ...]\n{text[-half:]}"


#: Lines that TensorFlow prints at every start; they tell nothing of a failure.
_CHATTER = re.compile(
    r"^(WARNING: All log messages before absl|[IW]0000 |\d{4}-\d\d-\d\d .*: [IW] |"
    r"E0000 .*failed call to cuInit)",
    re.ASCII,
)


def tail(raw: bytes) -> str:
    """Return the end of what a process printed, as safe text."""
    text = raw[-8 * OUTPUT_LIMIT :].decode("utf-8", errors="replace")
    lines = [line for line in _printable(text).splitlines() if not _CHATTER.match(line)]
    return scrub("\n".join(lines))[-OUTPUT_LIMIT:]
