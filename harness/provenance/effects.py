"""Effects: what a statement does when its module is merely imported.

A definition waits to be called. What registers it, a call, a loop or an assignment to
something else's attribute is work, and decides outcomes wherever the module is imported.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable, Iterator

from harness.provenance.names import Target
from harness.provenance.scopes import is_type_checking

#: What an expression stands for.
Resolve = Callable[[ast.AST], Target | None]

#: Modules that came to or left the standard library between the versions we run on.
_COME_OR_GONE = {"asynchat", "asyncore", "distutils", "imp", "smtpd", "tomllib"}
_STANDARD = frozenset(sys.stdlib_module_names) | _COME_OR_GONE

#: Libraries of which no function that is called at import time does anything but return.
_PURE_LIBRARIES = {
    *("abc", "collections", "dataclasses", "enum", "fractions", "functools", "itertools"),
    *("math", "operator", "pathlib", "re", "string", "types", "typing", "contextlib"),
}

_IMPURE_BUILTINS = {"__import__", "eval", "exec", "print", "setattr", "delattr", "open", "input"}
_PURE_BUILTINS = {name for name in dir(builtins) if name not in _IMPURE_BUILTINS}

#: Metaclasses that keep no list of their classes which anything goes by.
_PURE_METACLASSES = {"abc.ABCMeta", "enum.EnumMeta", "enum.EnumType"}

_Compound = (
    *(ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try),
    *(ast.Delete, ast.Raise, ast.Assert, ast.AugAssign, ast.Match),
)


class Effects:
    """Tells statements that act from those that only define.

    Args:
      resolve: what an expression of the module stands for.
      is_data: whether a class of ours does nothing when it is instantiated but keep what it is
        given.
      registers: whether a class of ours is told of those that inherit from it.
    """

    def __init__(
        self,
        resolve: Resolve,
        is_data: Callable[[Target], bool],
        registers: Callable[[Target], bool],
    ) -> None:
        self._resolve = resolve
        self._is_data = is_data
        self._registers = registers

    def acts(self, node: ast.stmt) -> bool:
        """Whether a statement at module level, or in the body of a class, acts."""
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return any(not is_standard(name) for name in modules_of(node))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            defaults = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
            return not all(map(self._is_pure, node.decorator_list)) or any(
                map(self._calls, defaults)
            )
        if isinstance(node, ast.ClassDef):
            return self._class_acts(node)
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            return self._assignment_acts(node)
        if isinstance(node, ast.Expr):
            return not isinstance(node.value, ast.Constant)
        return isinstance(node, _Compound) and not _never_runs(node)

    def _class_acts(self, node: ast.ClassDef) -> bool:
        if not all(map(self._is_pure, node.decorator_list)):
            return True
        for word in node.keywords:
            target = self._resolve(word.value)
            known = target is not None and target.module in _PURE_METACLASSES
            if word.arg == "metaclass" and not known:
                return True
        bases = [self._resolve(base) for base in node.bases]
        if any(b is not None and b.kind == "own" and self._registers(b) for b in bases):
            return True
        return any(map(self._calls, node.bases)) or any(map(self.acts, node.body))

    def _assignment_acts(self, node: ast.Assign | ast.AnnAssign) -> bool:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        kinds = (ast.Attribute, ast.Subscript)
        if any(isinstance(one, kinds) for target in targets for one in ast.walk(target)):
            return True
        return node.value is not None and self._calls(node.value)

    def _calls(self, node: ast.AST) -> bool:
        """Whether evaluating an expression calls something that may act."""
        return any(
            isinstance(one, (ast.Await, ast.Yield, ast.YieldFrom))
            or (isinstance(one, ast.Call) and not self._is_pure(one.func))
            for one in _evaluated(node)
        )

    def _is_pure(self, called: ast.AST) -> bool:
        """Whether calling what an expression stands for does nothing but return a value."""
        if isinstance(called, ast.Call):  # e.g. @dataclass(frozen=True)
            return self._is_pure(called.func) and not any(map(self._calls, called.args))
        if isinstance(called, ast.Attribute) and called.attr in ("setter", "getter", "deleter"):
            return True
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Constant):
            return True  # e.g. "a b".split()
        target = self._resolve(called)
        if target is None:
            return isinstance(called, ast.Name) and called.id in _PURE_BUILTINS
        if target.kind == "library":
            return target.module.partition(".")[0] in _PURE_LIBRARIES
        return target.kind == "own" and self._is_data(target)


def is_standard(module: str) -> bool:
    """Whether a module is of Python itself."""
    return module.partition(".")[0] in _STANDARD


def modules_of(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Return the names of the modules that an import statement is of, but for relative ones."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [] if node.level else [node.module or ""]


def _never_runs(node: ast.AST) -> bool:
    """Whether this is a block for type checkers, or for when the module is a script."""
    if is_type_checking(node):
        return not node.orelse  # type: ignore[attr-defined]
    test = getattr(node, "test", None)
    return (
        isinstance(node, ast.If)
        and isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
    )


def _evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of an expression that are evaluated with it: not what lambdas hold."""
    yield node
    if not isinstance(node, ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _evaluated(child)
