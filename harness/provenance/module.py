"""Modules of ours: their top-level statements, what these bind, and what they do."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from harness.provenance import resolution
from harness.provenance.effects import Effects, is_standard, modules_of
from harness.provenance.names import Target
from harness.provenance.scopes import bound, imported, is_type_checking, runs, scan
from harness.provenance.sources import Source

if TYPE_CHECKING:
    from harness.provenance.source_digest import Code


class Module:
    """A module of ours: its top-level statements, what they bind, and what they do."""

    def __init__(self, code: Code, source: Source) -> None:
        self._code = code
        self.module = source.name
        self._is_package = source.is_package
        tree = ast.parse(source.text)
        #: Statements that may count: no import of ours, no text, nothing for checkers alone.
        self.body: list[ast.stmt] = []
        #: By name: places in `body`, and what imports bind.
        self.bindings: dict[str, list[int | tuple[str, str | None]]] = {}
        #: What is imported or declared for type checkers alone.
        self.for_checkers: dict[str, tuple[str, str | None] | None] = {}
        #: Modules of ours whose names are all taken.
        self.stars: list[str] = []
        #: Imports of ours, in order.
        self.runs: list[tuple[str, str | None]] = []
        self._take(tree.body)

    def _take(self, body: Iterable[ast.stmt]) -> None:
        for node in body:
            if is_type_checking(node):
                assert isinstance(node, ast.If)
                self._take_for_checkers(node.body)
                self._take(node.orelse)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                self._take_import(node)
            elif not _says_nothing(node):
                found = scan([node])
                for one in found.imports:
                    self._take_import(one)
                for name in found.names:
                    self.bindings.setdefault(name, []).append(len(self.body))
                self.body.append(node)

    def _take_import(self, node: ast.Import | ast.ImportFrom) -> None:
        own = False
        for name, module, attribute in imported(node, self.module, self._is_package):
            if attribute == "*":
                self.stars.append(module)
            else:
                self.bindings.setdefault(name, []).append((module, attribute))
            own = own or self._code.sources.owns(module)
        self.runs += runs(node, self.module, self._is_package)
        if not own and not all(map(is_standard, modules_of(node))):
            self.body.append(node)

    def _take_for_checkers(self, body: Iterable[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for name, module, attribute in imported(node, self.module, self._is_package):
                    self.for_checkers[name] = (module, attribute)
            else:
                for name in bound([node]):
                    self.for_checkers[name] = None

    # -- what names stand for (`harness.provenance.names.Names`) --------------------------------

    def bare(self, name: str, *, seen: tuple[str, ...] = ()) -> Target | None:
        found = self.bindings.get(name)
        if found is None:
            if name in self.for_checkers:  # in an annotation
                given = self.for_checkers[name]
                key = f"{self.module}:{name}"
                if given is not None and key not in seen and "__getattr__" not in self.bindings:
                    return self._code.imported(*given, seen=(*seen, key))
            return self._from_stars(name, seen)
        if len(found) == 1 and not isinstance(found[0], int):
            return self._code.imported(*found[0], seen=seen)
        return Target("own", self.module, name)

    def _from_stars(self, name: str, seen: tuple[str, ...]) -> Target | None:
        key = f"{self.module}:*{name}"
        if key in seen:
            return None
        for star in self.stars:
            found = self._code.imported(star, name, seen=(*seen, key))
            if found is not None and found.kind != "library":
                return found
        return None

    def attribute(self, module: str, name: str) -> Target | None:
        return self._code.attribute(module, name)

    def lazy(self, module: str, name: str | None) -> list[Target]:
        return self._code.lazy(module, name)

    def is_module(self, dotted: str) -> bool:
        return self._code.sources.has(dotted)

    def is_package(self) -> bool:
        return self._is_package

    def owns(self, dotted: str) -> bool:
        return self._code.sources.owns(dotted)

    def below(self, prefix: str) -> list[str]:
        return self._code.sources.below(prefix)

    def is_lazy_table(self, node: ast.AST) -> bool:
        return node in self._lazy_tables

    def target(self, node: ast.AST) -> Target | None:
        """Return what an expression at module level stands for."""
        return resolution.target(node, self)

    # -- what is looked up at run time ----------------------------------------------------------

    @cached_property
    def _lazy_tables(self) -> list[ast.Dict]:
        """Tables of names and modules that the module's ``__getattr__`` goes by."""
        read = {
            one.id
            for place in self.bindings.get("__getattr__", ())
            if isinstance(place, int)
            for one in ast.walk(self.body[place])
            if isinstance(one, ast.Name)
        }
        found = []
        for node in self.body:
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Dict):
                named = bound([node]).keys() & read
                if named and all(map(self._is_own_module, node.value.values)):
                    found.append(node.value)
        return found

    def _is_own_module(self, node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and self.is_module(node.value)
        )

    @cached_property
    def lazy_table(self) -> dict[str, str]:
        """The module that each name is looked up in by ``__getattr__``."""
        return {
            str(key.value): str(value.value)
            for table in self._lazy_tables
            for key, value in zip(table.keys, table.values, strict=True)
            if isinstance(key, ast.Constant) and isinstance(value, ast.Constant)
        }

    @cached_property
    def looks_up_values(self) -> bool:
        """Whether a module whose name is written here may be used as a value.

        Not so where every import by a name that is no literal is a statement of its own.
        """
        calls = statements = 0
        for node in ast.walk(ast.Module(self.body, [])):
            if isinstance(node, ast.Call) and _is_dynamic(node):
                calls += 1
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                statements += _is_dynamic(node.value)
        return not calls or calls > statements

    # -- what the module does when it is imported -------------------------------------------------

    @cached_property
    def acting(self) -> list[int]:
        """Places of the statements that act when the module is imported."""
        effects = Effects(self.target, self._code.is_data, self._code.registers)
        return [place for place, node in enumerate(self.body) if effects.acts(node)]

    @cached_property
    def ordered(self) -> list[list[int]]:
        """Groups of places whose order decides: what acts, and what is registered alike."""
        groups: dict[str, list[int]] = {}
        for place in self.acting:
            node = self.body[place]
            if isinstance(node, (ast.Import, ast.ImportFrom)) or _only_names(node):
                continue
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                for one in node.decorator_list:
                    if isinstance(one, ast.Call):
                        for argument in one.args:
                            label = ast.unparse(one.func) + "(" + ast.unparse(argument)
                            groups.setdefault(label, []).append(place)
            else:
                groups.setdefault("", []).append(place)
        return [group for group in groups.values() if len(group) > 1]


def _says_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Pass):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        return bound([node]).keys() == {"__all__"}
    return False


def _only_names(node: ast.stmt) -> bool:
    """Whether this gives values to names, which nothing can read before: no order to choose."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", node)]
    return isinstance(node, (ast.Assign, ast.AnnAssign)) and not any(
        isinstance(one, (ast.Attribute, ast.Subscript)) for t in targets for one in ast.walk(t)
    )


def _is_dynamic(node: ast.Call) -> bool:
    """Whether this is a call of ``import_module`` with a name made at run time."""
    called = node.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    literal = bool(node.args) and isinstance(node.args[0], ast.Constant)
    return name in ("import_module", "__import__") and not literal
