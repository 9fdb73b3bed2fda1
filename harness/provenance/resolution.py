"""Resolution: what the names in a statement stand for, scope by scope, and what follows from it."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterable, Iterator

from harness.provenance.names import Names, Target
from harness.provenance.scopes import Scan, imported


def target(node: ast.AST, names: Names) -> Target | None:
    """Return what an expression at module level stands for."""
    return Resolver(names).target(node)


class Scope:
    """Names of a function, a class or a comprehension; None stands for a plain variable."""

    def __init__(self, names: Iterable[str], *, is_class: bool = False) -> None:
        self.names: dict[str, Target | None] = dict.fromkeys(names)
        self.is_class = is_class


class Resolver:
    """Resolves the names of one statement.

    Attributes:
      targets: definitions and modules of ours that were referred to, in order.
      runs: modules of ours that were imported, each with the name taken from it, or None.
    """

    def __init__(self, names: Names) -> None:
        self.targets: list[Target] = []
        self.runs: list[tuple[str, str | None]] = []
        self._names = names
        self._scopes: list[Scope] = []
        self._following = True

    @property
    def is_inside(self) -> bool:
        """Whether this is within a function, a class or a comprehension."""
        return bool(self._scopes)

    @property
    def is_in_class(self) -> bool:
        return bool(self._scopes) and self._scopes[-1].is_class

    @contextlib.contextmanager
    def within(self, scope: Scope) -> Iterator[None]:
        """Look names up in a scope first."""
        self._scopes.append(scope)
        try:
            yield
        finally:
            self._scopes.pop()

    @contextlib.contextmanager
    def not_following(self) -> Iterator[None]:
        """Resolve names, and note nothing of what they stand for."""
        before, self._following = self._following, False
        try:
            yield
        finally:
            self._following = before

    def find(self, name: str) -> tuple[bool, Target | None]:
        """Return whether a name is bound here, and what it stands for."""
        for depth, scope in enumerate(reversed(self._scopes)):
            if name in scope.names and not (scope.is_class and depth):
                if scope.is_class and scope.names[name] is None:
                    # What is read before it is bound in a class comes from outside.
                    outside = self._names.bare(name)
                    if outside is not None:
                        self.follow(outside)
                return True, scope.names[name]
        target = self._names.bare(name)
        return target is not None, target

    def target(self, node: ast.AST) -> Target | None:
        """Return what an expression stands for, where that is a name of ours or a library's."""
        if isinstance(node, ast.Name):
            return self.find(node.id)[1]
        if isinstance(node, ast.Attribute):
            base = self.target(node.value)
            if base is None or base.kind == "own":
                return None
            if base.kind == "library":
                return Target("library", f"{base.module}.{node.attr}")
            for one in self._names.lazy(base.module, node.attr):
                self.follow(one)
            return self._names.attribute(base.module, node.attr)
        if isinstance(node, ast.Call) and self.imports(node):
            (argument,) = node.args[:1]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                dotted = argument.value
                if self._names.is_module(dotted):
                    self.runs.append((dotted, None))
                    return Target("module", dotted)
                if not self._names.owns(dotted):
                    return Target("library", dotted)
        if isinstance(node, ast.Subscript):  # sys.modules[__name__]
            base = self.target(node.value)
            own = isinstance(node.slice, ast.Name) and node.slice.id == "__name__"
            if own and base == Target("library", "sys.modules"):
                return Target("module", self._names.module)
        return None

    def imports(self, node: ast.Call) -> bool:
        """Whether this is a call of ``import_module``."""
        if not node.args or isinstance(node.args[0], ast.Starred):
            return False
        called = node.func
        if isinstance(called, ast.Name) and called.id == "__import__":
            return True
        return self.target(called) == Target("library", "importlib.import_module")

    def follow(self, target: Target) -> None:
        if self._following and target.kind != "library":
            self.targets.append(target)

    def import_into(self, scope: Scope, found: Scan) -> None:
        """Note what the imports of a scope bind."""
        for one in found.imports:
            for name, module, attribute in imported(
                one, self._names.module, self._names.is_package()
            ):
                target = self._imported(module, attribute)
                if target is None:
                    continue
                if found.names.get(name, 0) > 1 or name not in scope.names:
                    self.follow(target)  # or something else: it is a plain variable
                else:
                    scope.names[name] = target

    def _imported(self, module: str, attribute: str | None) -> Target | None:
        if not self._names.owns(module):
            return Target("library", f"{module}.{attribute}" if attribute else module)
        if attribute is None:
            return Target("module", module)
        return self._names.attribute(module, attribute)
