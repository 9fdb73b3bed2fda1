"""What the converter's error says, in terms of layers."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from optim.errors import ExportError, Problem
from optim.litert.layer_names import layer_of

# loc(fused["Erfc:", "model/as_gelu/Gelu/Erfc"]): 'tf.Erfc' op is neither a custom op ...
_LOCATED = re.compile(
    r"loc\((?P<where>[^()]*(?:\([^()]*\)[^()]*)*)\): (?:error: )?'(?P<op>[\w.]+)' op (?P<what>.+)"
)
_QUOTED = re.compile(r'"([^"]+)"')

# A table of words, as an input of the function: the look-up in it is named by itself.
_NOISE = ".Placeholder"

# What the converter says -> what it means, and what to do. The first match counts.
_KNOWN = (
    (
        "neither a custom op nor a flex op",
        "LiteRT has no such operation",
        "replace the layer by one made of supported operations",
    ),
    (
        "same scale constraint",
        "its quantized inputs and output need one scale, and were given several",
        "quantize with optim.quantize_model, which gives them one, or skip the layer there",
    ),
    (
        "broadcastable shapes within the rank 4",
        "LiteRT has it for four axes at most, the batch included",
        "put a Reshape to fewer axes before the layer and one back after it",
    ),
    (
        "to have quantized",
        "it got a mix of quantized and float operands",
        "quantize all of its inputs, or skip the layer",
    ),
)
# Operations that take text apart or look it up.
_OF_WORDS = ("String", "Lookup", "Regex", "Ragged")
_NO_WORDS = "LiteRT neither takes text apart nor looks it up"
_WITHOUT_WORDS = "export the model without the layer, and give it the numbers that this returns"

_CHANNELS = "LiteRT has it with the channels last only, not data_format='channels_first'"
_CHANNELS_LAST = (
    "make the layer with data_format='channels_last', and put a Permute before and after it; "
    "optimize='int8' and optim.quantize_model do so by themselves"
)

_REMEDY = "skip the layer in optim.quantize_model, or replace it"


def explain(error: Exception, model_name: str) -> ExportError:
    """Make an `ExportError` of an error of the converter.

    Args:
        error: as the converter raised it.
        model_name: name of the model: the outermost part of the names in the graph.

    Returns:
        An error with one `Problem` per layer and operation that the message names; if it
        names none, with one for the whole model and the first line of the message.
    """
    found: dict[tuple[str, str], Problem] = {}
    for match in _LOCATED.finditer(str(error)):
        names = _QUOTED.findall(match["where"])
        where = layer_of(names[-1] if names else "", model_name)
        key = (where, match["op"])
        if match["op"].endswith(_NOISE):
            continue
        if key not in found:
            found[key] = _problem(where, match["op"], match["what"])
    if not found:
        lines = [line for line in str(error).splitlines() if line.strip()]
        reason = lines[0].strip() if lines else type(error).__name__
        problem = Problem(model_name, reason, "see the cause of this error for the whole message")
        return ExportError([problem], "the converter to LiteRT failed")
    return ExportError(found.values())


def with_channels(error: ExportError, model: Any) -> ExportError:
    """Say of layers with the channels first, at which the converter failed, that this is why."""
    layers = model._flatten_layers(recursive=True) if hasattr(model, "_flatten_layers") else ()
    names = {x.name for x in layers if getattr(x, "data_format", None) == "channels_first"}
    if not any(names & set(problem.layer.split("/")) for problem in error.problems):
        return error
    problems = [
        replace(problem, reason=f"{_CHANNELS} ({problem.reason})", remedy=_CHANNELS_LAST)
        if names & set(problem.layer.split("/"))
        else problem
        for problem in error.problems
    ]
    return ExportError(problems)


def _problem(where: str, op: str, what: str) -> Problem:
    if any(word in op for word in _OF_WORDS) and "neither a custom op" in what:
        return Problem(where, f"operation {op.rpartition('.')[2]}: {_NO_WORDS}", _WITHOUT_WORDS)
    for pattern, meaning, remedy in _KNOWN:
        if pattern in what:
            return Problem(where, f"operation {op.rpartition('.')[2]}: {meaning}", remedy)
    return Problem(where, f"operation {op.rpartition('.')[2]}: {what.strip()}", _REMEDY)
