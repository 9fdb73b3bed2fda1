"""Imports go down, and modules are small: the layers and the sizes of both packages.

Nothing imports upwards or in a ring. What is imported late counts as well, and what is imported
by a name written as text. What only type checkers import does not.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: From the bottom up. Rooms in one row may import each other, in one direction. A room with a
#: place of its own is none of the room that it is in.
LAYERS: Mapping[str, Sequence[Sequence[str]]] = {
    "optim": (
        ("errors", "_keras"),
        ("litert", "models"),
        ("graph",),
        ("saving", "wrapping", "keras3"),
        ("files",),
        ("pruning", "clustering", "annotation", "quantization", "sparsity"),
        ("exporting", "verification"),
        ("debugging",),
        # Names of before, for whoever imports them.
        ("engine",),
        # Names modules of every room, for the package to import.
        ("registering",),
    ),
    "harness": (
        ("paths", "vocabulary"),
        ("search",),
        ("records",),
        ("stages",),
        ("techniques",),
        ("matrix",),
        ("environment",),
        ("baseline",),
        ("failures", "report"),
        ("changes",),
        ("history", "stacks"),
        ("provenance",),
        ("evidence", "repro"),
        ("benchmark.definition",),
        ("benchmark.report",),
        ("execution",),
        ("runs",),
        ("cluster", "benchmark", "checking"),
        ("pytest_plugin",),
        ("plugin", "test_matrix", "cli"),
        ("__main__",),
    ),
}


def modules(package: str) -> dict[str, Path]:
    found = {}
    for file in sorted((ROOT / package).rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree, but for what only type checkers see."""
    yield node
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        children: list[ast.AST] = list(node.orelse)
    else:
        children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from executed(child)


def imports(file: Path, known: Mapping[str, Path], *, text: bool = True) -> set[str]:
    """Return the modules of ours that a module imports, and those that it names as text."""
    found: set[str] = set()
    for node in executed(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{file}: relative import"
            for alias in node.names:
                dotted = f"{node.module}.{alias.name}"
                found.add(dotted if dotted in known else node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif text and isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found & known.keys()


def graph(package: str, *, text: bool = True) -> dict[str, set[str]]:
    known = modules(package)
    top = {package: known.pop(package)}
    edges = {name: imports(file, known, text=text) - {name} for name, file in known.items()}
    assert top  # the package itself is the front door, above everything
    return edges


def room(dotted: str) -> str:
    """Return the room a module is in: the innermost that has a place of its own."""
    package, _, rest = dotted.partition(".")
    places = rank(package)
    parts = rest.split(".")
    heads = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((head for head in heads if head in places), parts[0])


def rank(package: str) -> dict[str, int]:
    return {name: row for row, names in enumerate(LAYERS[package]) for name in names}


@pytest.mark.parametrize("package", LAYERS)
def test_every_room_has_its_place(package: str) -> None:
    assert {room(one) for one in graph(package)} == set(rank(package))


@pytest.mark.parametrize("package", LAYERS)
def test_the_architecture_names_every_room(package: str) -> None:
    words = set(re.findall(r"\w+", (ROOT / "docs" / "architecture.md").read_text("utf-8")))
    rooms = {name.partition(".")[0] for name in rank(package)}
    assert rooms - words - {"__main__"} == set()


@pytest.mark.parametrize("package", LAYERS)
def test_nothing_imports_upwards(package: str) -> None:
    ranks = rank(package)
    up = {
        (name, f"{package}.{room(other)}")
        for name, others in graph(package).items()
        for other in others
        if ranks[room(other)] > ranks[room(name)]
    }
    assert not up


@pytest.mark.parametrize("package", LAYERS)
def test_rooms_of_one_row_import_each_other_in_one_direction(package: str) -> None:
    ranks = rank(package)
    edges = {
        (room(name), room(other))
        for name, others in graph(package).items()
        for other in others
        if room(other) != room(name) and ranks[room(other)] == ranks[room(name)]
    }
    assert not rings({a: {b for x, b in edges if x == a} for a, _ in edges})


@pytest.mark.parametrize("package", LAYERS)
def test_no_modules_import_each_other_in_a_ring(package: str) -> None:
    # A registry names the module of its built-in entries, which register there like any other.
    assert not rings(graph(package, text=False))


def test_optim_knows_nothing_of_the_harness() -> None:
    known = modules("harness")
    assert not {name: imports(file, known) for name, file in modules("optim").items()
                if imports(file, known)}  # fmt: skip


@pytest.mark.parametrize(
    ("edges", "found"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"a"}}, [["a", "b"]]),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, [["b", "c"]]),
    ],
)
def test_rings_are_found(edges: dict[str, set[str]], found: list[list[str]]) -> None:
    assert rings(edges) == found


#: Modules that are one table of data each.
TABLES = {"harness.failures.labels"}


@pytest.mark.parametrize("package", LAYERS)
def test_modules_are_small_tables_of_data_excepted(package: str) -> None:
    lines = {name: file.read_text("utf-8").count("\n") for name, file in modules(package).items()}
    assert {name: n for name, n in lines.items() if n > 320 and name not in TABLES} == {}


@pytest.mark.parametrize("package", LAYERS)
def test_few_modules_stand_in_no_room(package: str) -> None:
    plain = [one for one in (ROOT / package).glob("*.py") if not one.stem.startswith("__")]
    assert len(plain) <= 6


def rings(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of nodes that reach each other."""
    reach = {name: {name} for name in edges}
    changed = True
    while changed:
        changed = False
        for name in edges:
            more = set().union(*(reach.get(other, {other}) for other in edges[name] | {name}))
            if not more <= reach[name]:
                reach[name] |= more
                changed = True
    groups = {frozenset(b for b in reach[a] if a in reach.get(b, set())) for a in reach}
    return sorted(sorted(group) for group in groups if len(group) > 1)
