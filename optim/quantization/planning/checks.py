"""What LiteRT has no kernels for: refused, or told of, before anything is built or trained."""

from __future__ import annotations

from optim.errors import Problem, UnsupportedModelError
from optim.graph.graph import Node
from optim.quantization.node_facts import hierarchy
from optim.quantization.planning.no_kernel import REPLACE, lacking
from optim.quantization.planning.plan import Entry
from optim.quantization.planning.roles import NO_KERNEL, assign
from optim.quantization.planning.schemes import Scheme


def check_kernels(entries: list[Entry], scheme: Scheme) -> None:
    missing, wrong = dict(scheme.missing), dict(scheme.wrong)
    problems = []
    for entry in entries:
        if not any(value.is_float for value in entry.node.outputs):
            continue
        for name in _names(entry.node):
            if name in wrong:
                remedy = "use scheme='int8'; to skip the layer does not help"
                problems.append(_lacking(entry, wrong[name], remedy, scheme))
            elif name in missing and not entry.is_float:
                remedy = "use scheme='int8', or skip the layer: it stays float then"
                problems.append(_lacking(entry, missing[name], remedy, scheme))
    if problems:
        raise UnsupportedModelError(problems)


def without_kernel(entries: list[Entry]) -> list[Problem]:
    """What LiteRT cannot run even as float, so that no export of the model can succeed."""
    found: dict[str, Problem] = {}
    for entry in entries:
        lacks = lacking(entry.node)
        reason = assign(entry.node).reason.removeprefix("float: ") if entry.is_float else ""
        if lacks is not None:
            reason = f"{NO_KERNEL} for {lacks.what}"
        if reason.startswith(NO_KERNEL):
            remedy = lacks.remedy if lacks is not None else REPLACE
            found[entry.node.path] = Problem(entry.node.path, reason, remedy)
    return list(found.values())


def _names(node: Node) -> list[str]:
    """What a table can name a node by: its function, or the classes of its layer."""
    return [node.symbol] if node.symbol else [cls.__name__ for cls in hierarchy(node.layer)]


def _lacking(entry: Entry, what: str, remedy: str, scheme: Scheme) -> Problem:
    return Problem(entry.node.path, f"{what} (scheme {scheme.name!r})", remedy)
