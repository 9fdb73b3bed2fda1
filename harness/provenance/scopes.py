"""Scopes: what a part of a module binds and imports, without the scopes within it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

_Def = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_Comprehension = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def imported(
    node: ast.Import | ast.ImportFrom, module: str, is_package: bool
) -> Iterator[tuple[str, str, str | None]]:
    """Yield what an import statement binds: the name, the module, and the name taken from it."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname:
                yield alias.asname, alias.name, None
            else:
                yield alias.name.partition(".")[0], alias.name.partition(".")[0], None
        return
    base = node.module or ""
    if node.level:
        parts = module.split(".")
        up = node.level - 1 if is_package else node.level
        parts = parts[: len(parts) - up] if up else parts
        base = ".".join([*parts, *([node.module] if node.module else [])])
    for alias in node.names:
        yield alias.asname or alias.name, base, alias.name


def runs(
    node: ast.Import | ast.ImportFrom, module: str, is_package: bool
) -> list[tuple[str, str | None]]:
    """Return the modules that an import statement executes, with the name taken from each."""
    if isinstance(node, ast.Import):
        return [(alias.name, None) for alias in node.names]
    return [(base, name) for _, base, name in imported(node, module, is_package)]


def is_type_checking(node: ast.AST) -> bool:
    """Whether this is an ``if TYPE_CHECKING:``, whose body never runs."""
    if not isinstance(node, ast.If):
        return False
    test = node.test
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def statements_that_run(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a block without those for type checkers alone."""
    for one in body:
        if is_type_checking(one):
            yield from statements_that_run(one.orelse)  # type: ignore[attr-defined]
        else:
            yield one


def bound(body: Iterable[ast.AST]) -> dict[str, int]:
    """Count how often each name is bound in a scope, not in those within it."""
    return scan(body).names


def parameters(given: ast.arguments) -> list[str]:
    """Return the names that the parameters of a function bind."""
    found = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    found += [one for one in (given.vararg, given.kwarg) if one is not None]
    return [one.arg for one in found]


@dataclass
class Scan:
    """What a scope holds, without those within it.

    Attributes:
      names: how often each is bound.
      elsewhere: names that are declared global or nonlocal.
      imports: the import statements.
    """

    names: dict[str, int] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)
    imports: list[ast.Import | ast.ImportFrom] = field(default_factory=list)

    def bind(self, name: str) -> None:
        self.names[name] = self.names.get(name, 0) + 1


def scan(body: Iterable[ast.AST]) -> Scan:
    """Look at a scope once, for all that has to be known of it."""
    found = Scan()
    open_ = list(body)
    while open_:
        node = open_.pop()
        kind = type(node)
        if kind is ast.Name:
            if type(node.ctx) is not ast.Load:  # type: ignore[attr-defined]
                found.bind(node.id)  # type: ignore[attr-defined]
            continue
        if kind in _LEAVES:
            continue
        look = _LOOKS.get(kind)
        if look is not None:
            open_ += look(node, found)
        else:
            for name in node._fields:
                value = getattr(node, name, None)
                if type(value) is list:
                    open_ += [one for one in value if isinstance(one, ast.AST)]
                elif isinstance(value, ast.AST):
                    open_.append(value)
    return found


def _look_at_definition(node: Any, found: Scan) -> list[ast.AST]:
    found.bind(node.name)
    return list(node.decorator_list)


def _look_at_comprehension(node: Any, found: Scan) -> list[ast.AST]:
    for one in ast.walk(node):  # only `:=` reaches out of it
        if isinstance(one, ast.NamedExpr) and isinstance(one.target, ast.Name):
            found.bind(one.target.id)
    return []


def _look_at_import(node: Any, found: Scan) -> list[ast.AST]:
    found.imports.append(node)
    for alias in node.names:
        found.bind(alias.asname or alias.name.partition(".")[0])
    return []


def _look_at_declaration(node: Any, found: Scan) -> list[ast.AST]:
    found.elsewhere.update(node.names)
    return []


def _look_at_named(node: Any, found: Scan) -> list[ast.AST]:
    """Look at what may bind a name that is no node: `except` and patterns."""
    name = node.rest if isinstance(node, ast.MatchMapping) else node.name
    if name:
        found.bind(name)
    return list(ast.iter_child_nodes(node))


_LEAVES = frozenset((ast.Constant, ast.Load, ast.Lambda, ast.Pass))
_LOOKS: dict[type, Callable[[Any, Scan], list[ast.AST]]] = {
    **dict.fromkeys(_Def, _look_at_definition),
    **dict.fromkeys(_Comprehension, _look_at_comprehension),
    **dict.fromkeys((ast.Import, ast.ImportFrom), _look_at_import),
    **dict.fromkeys((ast.Global, ast.Nonlocal), _look_at_declaration),
    **dict.fromkeys(
        (ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.MatchMapping), _look_at_named
    ),
}
