"""What the page tells of the layers: the plan, the error of each, and their zeros."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from harness.checking.bench import Checked

#: How many inputs the error of each layer is measured on.
_SAMPLES = 16


def describe(bench: Checked) -> dict[str, Any]:
    """Return the parts that can be told, and of the others why not.

    Args:
      bench: with the model and its inputs.
    """
    facts: dict[str, Any] = {"why_not": {}}
    for name, part in _PARTS.items():
        try:
            facts[name] = part(bench)
        except Exception as error:  # one part that cannot be told leaves the others
            facts["why_not"][name] = f"{error}" or type(error).__name__
    return facts


def _plan(bench: Checked) -> list[dict[str, Any]]:
    from optim import plan

    decided = plan(bench.model)
    return [
        {**row, "float": entry.is_float} for row, entry in zip(decided.rows(), decided, strict=True)
    ]


def _errors(bench: Checked) -> list[dict[str, Any]]:
    from optim import debug

    batches = bench.batches()
    steps = max(1, _SAMPLES // max(1, len(bench.arrays[0]) // len(batches)))
    frame = debug(bench.model, batches, steps=steps).frame
    return [
        {"layer": layer, **{key: _plain(row[key]) for key in _COLUMNS}}
        for layer, row in frame.iterrows()
    ]


_COLUMNS = ("order", "class", "local_sqnr", "sqnr", "weight_sqnr", "effective_bits", "saturated")


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: what is no number, or infinite, becomes None."""
    if isinstance(value, str):
        return value
    number = float(value)
    return number if math.isfinite(number) else None


def _sparsity(bench: Checked) -> list[dict[str, Any]]:
    from optim import sparsity_report

    return [
        {
            "layer": kernel.layer,
            "kernel": kernel.kernel,
            "shape": "x".join(map(str, kernel.shape)),
            "size": kernel.size,
            "zeros": kernel.sparsity,
            "pattern": kernel.satisfied,
            "unique": kernel.unique,
        }
        for kernel in sparsity_report(bench.model).kernels
    ]


_PARTS: Mapping[str, Callable[[Checked], Any]] = {
    "plan": _plan,
    "errors": _errors,
    "sparsity": _sparsity,
}
