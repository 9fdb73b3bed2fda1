"""The normal form of a statement: what it does, without how it is laid out.

Two statements have the same normal form if they differ in comments, docstrings, annotations
of functions, imports of our own, or in how they name what is imported: a name of ours is
written as what it stands for is called where it is defined, a name of a library by its
whole path. Own serialisation, for `ast.dump` differs between versions of Python.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.provenance.scopes import Scan, bound, imported, is_type_checking, runs, scan

#: Fields that say nothing of what a statement does.
_IGNORED = {"ctx", "kind", "type_comment", "lineno", "returns"}


@dataclass(frozen=True)
class Target:
    """What a name stands for.

    Attributes:
      kind: ``own`` (a definition of ours), ``module`` (a module of ours), ``library``.
      module: the module of ours; for a library the dotted path.
      name: of the definition.
    """

    kind: str
    module: str
    name: str = ""


class Names(Protocol):
    """What a module's names stand for."""

    @property
    def module(self) -> str: ...
    @property
    def looks_up_values(self) -> bool:
        """Whether a module whose name is written as a string may be used as a value."""

    def bare(self, name: str) -> Target | None:
        """Return what a name at module level stands for; None: it is bound by nothing."""

    def attribute(self, module: str, name: str) -> Target | None:
        """Return what an attribute of a module of ours stands for; None: not known."""

    def lazy(self, module: str, name: str | None) -> list[Target]:
        """Return what runs when an attribute of a module of ours is looked up."""

    def is_module(self, dotted: str) -> bool: ...
    def is_package(self) -> bool: ...
    def owns(self, dotted: str) -> bool: ...
    def is_lazy_table(self, node: ast.AST) -> bool: ...
    def below(self, prefix: str) -> list[str]: ...


@dataclass
class Form:
    """A statement's normal form.

    Attributes:
      label: digest of the text.
      targets: definitions and modules of ours that it refers to, in order; a module counts whole.
      runs: modules of ours that it imports, each with the name taken from it, or None.
    """

    label: str = ""
    targets: list[Target] = field(default_factory=list)
    runs: list[tuple[str, str | None]] = field(default_factory=list)


def normal_form(node: ast.AST, names: Names) -> Form:
    """Return the normal form of a statement at module level."""
    writer = _Writer(names)
    writer.write(node)
    text = "".join(writer.parts).encode("utf-8", "surrogatepass")
    writer.form.label = hashlib.sha256(text).hexdigest()[:32]
    return writer.form


def target(node: ast.AST, names: Names) -> Target | None:
    """Return what an expression at module level stands for."""
    return _Writer(names).target(node)


class _Scope:
    """Names of a function, a class or a comprehension; None stands for a plain variable."""

    def __init__(self, names: Iterable[str], *, is_class: bool = False) -> None:
        self.names: dict[str, Target | None] = dict.fromkeys(names)
        self.is_class = is_class


class _Writer:
    """Writes one statement."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.parts: list[str] = []
        self.form = Form()
        self._scopes: list[_Scope] = []
        self._following = True
        self._special: dict[type, Callable[..., None]] = {
            ast.Name: self._name,
            ast.Attribute: self._reference,
            ast.Call: self._call,
            ast.Constant: self._constant,
            ast.JoinedStr: self._joined,
            ast.Lambda: self._lambda,
            ast.FunctionDef: self._function,
            ast.AsyncFunctionDef: self._function,
            ast.ClassDef: self._class,
            ast.Import: self._import,
            ast.ImportFrom: self._import,
            ast.AnnAssign: self._annotated,
            ast.Dict: self._dict,
            ast.Expr: self._expression,
            ast.ListComp: self._comprehension,
            ast.SetComp: self._comprehension,
            ast.DictComp: self._comprehension,
            ast.GeneratorExp: self._comprehension,
        }

    # -- writing ----------------------------------------------------------------------------

    def write(self, node: ast.AST) -> None:
        special = self._special.get(type(node))
        if special is not None:
            special(node)
        else:
            self._plain(node)

    def _plain(self, node: ast.AST, but: Sequence[str] = ()) -> None:
        self.parts.append(f"({type(node).__name__}")
        for name in node._fields:
            value = getattr(node, name, None)
            if name in _IGNORED or name in but or value is None or value == []:
                continue
            self.parts.append(f" {name}=")
            self._value(value)
        self.parts.append(")")

    def _value(self, value: object) -> None:
        if isinstance(value, ast.AST):
            self.write(value)
        elif isinstance(value, list):
            if value and all(isinstance(one, ast.stmt) for one in value):
                self._block(value)
            else:
                self.parts.append("[")
                for one in value:
                    self._value(one)
                    self.parts.append(",")
                self.parts.append("]")
        else:
            self._text(value)

    def _text(self, value: object) -> None:
        text = value if isinstance(value, str) else repr(value)
        self.parts.append(f"{type(value).__name__}:{len(text)}:{text}")

    def _block(self, body: Sequence[ast.stmt], docstring: bool = False) -> None:
        if docstring and body and _is_text(body[0]):
            body = body[1:]
        self.parts.append("{")
        begin = len(self.parts)
        for one in _that_run(body):
            before = len(self.parts)
            self.write(one)
            if len(self.parts) > before:  # an import of ours leaves nothing
                self.parts.append(";")
        if len(self.parts) == begin:
            self.parts.append("(Pass);")
        self.parts.append("}")

    # -- names ------------------------------------------------------------------------------

    def _find(self, name: str) -> tuple[bool, Target | None]:
        """Return whether a name is bound here, and what it stands for."""
        for depth, scope in enumerate(reversed(self._scopes)):
            if name in scope.names and not (scope.is_class and depth):
                if scope.is_class and scope.names[name] is None:
                    # What is read before it is bound in a class comes from outside.
                    outside = self.names.bare(name)
                    if outside is not None:
                        self._follow(outside)
                return True, scope.names[name]
        target = self.names.bare(name)
        return target is not None, target

    def target(self, node: ast.AST) -> Target | None:
        """Return what an expression stands for, where that is a name of ours or a library's."""
        if isinstance(node, ast.Name):
            return self._find(node.id)[1]
        if isinstance(node, ast.Attribute):
            base = self.target(node.value)
            if base is None or base.kind == "own":
                return None
            if base.kind == "library":
                return Target("library", f"{base.module}.{node.attr}")
            for one in self.names.lazy(base.module, node.attr):
                self._follow(one)
            return self.names.attribute(base.module, node.attr)
        if isinstance(node, ast.Call) and self._imports(node):
            (argument,) = node.args[:1]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                dotted = argument.value
                if self.names.is_module(dotted):
                    self.form.runs.append((dotted, None))
                    return Target("module", dotted)
                if not self.names.owns(dotted):
                    return Target("library", dotted)
        if isinstance(node, ast.Subscript):  # sys.modules[__name__]
            base = self.target(node.value)
            own = isinstance(node.slice, ast.Name) and node.slice.id == "__name__"
            if own and base == Target("library", "sys.modules"):
                return Target("module", self.names.module)
        return None

    def _imports(self, node: ast.Call) -> bool:
        """Whether this is a call of ``import_module``."""
        if not node.args or isinstance(node.args[0], ast.Starred):
            return False
        called = node.func
        if isinstance(called, ast.Name) and called.id == "__import__":
            return True
        return self.target(called) == Target("library", "importlib.import_module")

    def _follow(self, target: Target) -> None:
        if self._following and target.kind != "library":
            self.form.targets.append(target)

    def _written(self, target: Target) -> None:
        if target.kind == "library":
            self.parts.append(f"<{target.module}>")
        elif target.kind == "module":
            self.parts.append("<module>")
            self._follow(target)
        else:
            self.parts.append(f"<own {target.name}>")
            self._follow(target)

    def _name(self, node: ast.Name) -> None:
        is_bound, target = self._find(node.id)
        if target is not None and (isinstance(node.ctx, ast.Load) or self._scopes):
            self._written(target)
            return
        if node.id == "globals" and not is_bound:
            self._follow(Target("module", self.names.module))
        self.parts.append(f"({node.id})")

    def _reference(self, node: ast.Attribute) -> None:
        target = self.target(node)
        if target is not None:
            self._written(target)
            return
        base = self.target(node.value)
        if base is not None and base.kind == "module" and node.attr.startswith("__"):
            self.parts.append(f"(module {node.attr})")
            return
        self._plain(node)

    def _call(self, node: ast.Call) -> None:
        target = self.target(node)
        if target is not None:
            self._written(target)
            return
        if self._imports(node) and isinstance(node.args[0], ast.JoinedStr):
            begin = str(getattr(node.args[0].values[0], "value", ""))
            if self.names.owns(begin):
                for dotted in self.names.below(begin):
                    self.form.runs.append((dotted, None))
                    self._follow(Target("module", dotted))
        self._plain(node)

    # -- literals ---------------------------------------------------------------------------

    def _constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, str) and "." in value and self.names.is_module(value):
            self.form.runs.append((value, None))
            self.parts.append("<module>")
            if self.names.looks_up_values:
                self._follow(Target("module", value))
            return
        self._text(value)

    def _dict(self, node: ast.Dict) -> None:
        if self.names.is_lazy_table(node):
            self.parts.append("<table of modules>")
        else:
            self._plain(node)

    def _joined(self, node: ast.JoinedStr) -> None:
        self.parts.append("(f")
        text = ""
        for one in node.values:
            if isinstance(one, ast.Constant):
                text += str(one.value)
                continue
            if text:
                self._text(text)
                text = ""
            self._plain(one)
        if text:
            self._text(text)
        self.parts.append(")")

    # -- scopes -----------------------------------------------------------------------------

    def _within(self, scope: _Scope, write: Callable[[], None]) -> None:
        self._scopes.append(scope)
        try:
            write()
        finally:
            self._scopes.pop()

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.parts.append(f"({type(node).__name__} {node.name}")
        for one in node.decorator_list:
            self.parts.append("@")
            self.write(one)
        self._arguments(node.args, annotated=bool(node.decorator_list))
        found = scan(node.body)
        scope = _Scope({*_parameters(node.args), *(found.names.keys() - found.elsewhere)})
        self._import_into(scope, found)
        self._within(scope, lambda: self._block(node.body, docstring=True))
        self.parts.append(")")

    def _lambda(self, node: ast.Lambda) -> None:
        self.parts.append("(Lambda")
        self._arguments(node.args, annotated=False)
        scope = _Scope({*_parameters(node.args), *bound([node.body])})
        self._within(scope, lambda: self.write(node.body))
        self.parts.append(")")

    def _arguments(self, given: ast.arguments, annotated: bool) -> None:
        """Write parameters; a decorator may look at what they are annotated with."""
        self.parts.append("(")
        for kind in ("posonlyargs", "args", "vararg", "kwonlyargs", "kwarg"):
            found = getattr(given, kind)
            for one in found if isinstance(found, list) else [found] if found else []:
                self.parts.append(f"{kind} {one.arg},")
                if annotated and one.annotation is not None:
                    self._annotation(one.annotation)
        for defaults in (given.defaults, given.kw_defaults):
            self._value(list(defaults))
        self.parts.append(")")

    def _class(self, node: ast.ClassDef) -> None:
        self.parts.append(f"(ClassDef {node.name}")
        for label, parts in (("@", node.decorator_list), ("<", node.bases), ("=", node.keywords)):
            self.parts.append(label)
            self._value(list(parts))
        found = scan(node.body)
        scope = _Scope(found.names, is_class=True)
        self._import_into(scope, found)
        self._within(scope, lambda: self._block(node.body, docstring=True))
        self.parts.append(")")

    def _comprehension(self, node: ast.ListComp) -> None:
        self.parts.append(f"({type(node).__name__} ")
        self.write(node.generators[0].iter)  # which is looked up outside
        targets = [one.target for one in node.generators]

        def rest() -> None:
            self._plain(node, but=("generators",))
            for place, one in enumerate(node.generators):
                self._plain(one, but=() if place else ("iter",))

        self._within(_Scope(bound(targets)), rest)
        self.parts.append(")")

    def _import_into(self, scope: _Scope, found: Scan) -> None:
        """Note what the imports of a scope bind."""
        for one in found.imports:
            for name, module, attribute in imported(
                one, self.names.module, self.names.is_package()
            ):
                target = self._imported(module, attribute)
                if target is None:
                    continue
                if found.names.get(name, 0) > 1 or name not in scope.names:
                    self._follow(target)  # or something else: it is a plain variable
                else:
                    scope.names[name] = target

    def _imported(self, module: str, attribute: str | None) -> Target | None:
        if not self.names.owns(module):
            return Target("library", f"{module}.{attribute}" if attribute else module)
        if attribute is None:
            return Target("module", module)
        return self.names.attribute(module, attribute)

    # -- statements -------------------------------------------------------------------------

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        """Write an import of a library; one of ours is what it makes names stand for."""
        own = []
        for module, name in runs(node, self.names.module, self.names.is_package()):
            if self.names.owns(module):
                own.append((module, name))
            else:
                self.parts.append(f"(import {module} {name})")
        self.form.runs += own
        for module, name in own:
            for one in self.names.lazy(module, name):
                self._follow(one)

    def _expression(self, node: ast.Expr) -> None:
        """Write a call for its effect; `import_module` of one of ours only runs that."""
        if isinstance(node.value, ast.Call):
            target = self.target(node.value)
            if target is not None and target.kind == "module":
                return
        self._plain(node)

    def _annotated(self, node: ast.AnnAssign) -> None:
        """Write an assignment; only a class may look at what its fields are annotated with."""
        in_class = bool(self._scopes) and self._scopes[-1].is_class
        self.parts.append("(Assign ")
        self.write(node.target)
        if in_class:
            self._annotation(node.annotation)
        if node.value is not None:
            self.parts.append("=")
            self.write(node.value)
        self.parts.append(")")

    def _annotation(self, node: ast.AST) -> None:
        """Write a type: it says what something is and does nothing, so it is not followed."""
        before, self._following = self._following, False
        self.parts.append(":")
        self.write(node)
        self._following = before


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _that_run(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a block without those for type checkers alone."""
    for one in body:
        if is_type_checking(one):
            yield from _that_run(one.orelse)  # type: ignore[attr-defined]
        else:
            yield one


def _parameters(given: ast.arguments) -> list[str]:
    found = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    found += [one for one in (given.vararg, given.kwarg) if one is not None]
    return [one.arg for one in found]
