"""The normal form of a statement: what it does, without how it is laid out.

Two statements have the same normal form if they differ in comments, docstrings, annotations
of functions, imports of our own, or in how they name what is imported: a name of ours is
written as what it stands for is called where it is defined, a name of a library by its
whole path. Own serialisation, for `ast.dump` differs between versions of Python.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harness.provenance.names import Names, Target
from harness.provenance.resolution import Resolver, Scope
from harness.provenance.scopes import bound, parameters, runs, scan, statements_that_run

#: Fields that say nothing of what a statement does.
_IGNORED = {"ctx", "kind", "type_comment", "lineno", "returns"}


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
    label = hashlib.sha256(text).hexdigest()[:32]
    return Form(label, writer.resolver.targets, writer.resolver.runs)


class _Writer:
    """Writes one statement."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.parts: list[str] = []
        self.resolver = Resolver(names)
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
        for one in statements_that_run(body):
            before = len(self.parts)
            self.write(one)
            if len(self.parts) > before:  # an import of ours leaves nothing
                self.parts.append(";")
        if len(self.parts) == begin:
            self.parts.append("(Pass);")
        self.parts.append("}")

    # -- names ------------------------------------------------------------------------------

    def _written(self, target: Target) -> None:
        if target.kind == "library":
            self.parts.append(f"<{target.module}>")
        elif target.kind == "module":
            self.parts.append("<module>")
            self.resolver.follow(target)
        else:
            self.parts.append(f"<own {target.name}>")
            self.resolver.follow(target)

    def _name(self, node: ast.Name) -> None:
        is_bound, target = self.resolver.find(node.id)
        if target is not None and (isinstance(node.ctx, ast.Load) or self.resolver.is_inside):
            self._written(target)
            return
        if node.id == "globals" and not is_bound:
            self.resolver.follow(Target("module", self.names.module))
        self.parts.append(f"({node.id})")

    def _reference(self, node: ast.Attribute) -> None:
        target = self.resolver.target(node)
        if target is not None:
            self._written(target)
            return
        base = self.resolver.target(node.value)
        if base is not None and base.kind == "module" and node.attr.startswith("__"):
            self.parts.append(f"(module {node.attr})")
            return
        self._plain(node)

    def _call(self, node: ast.Call) -> None:
        target = self.resolver.target(node)
        if target is not None:
            self._written(target)
            return
        if self.resolver.imports(node) and isinstance(node.args[0], ast.JoinedStr):
            begin = str(getattr(node.args[0].values[0], "value", ""))
            if self.names.owns(begin):
                for dotted in self.names.below(begin):
                    self.resolver.runs.append((dotted, None))
                    self.resolver.follow(Target("module", dotted))
        self._plain(node)

    # -- literals ---------------------------------------------------------------------------

    def _constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, str) and "." in value and self.names.is_module(value):
            self.resolver.runs.append((value, None))
            self.parts.append("<module>")
            if self.names.looks_up_values:
                self.resolver.follow(Target("module", value))
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

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.parts.append(f"({type(node).__name__} {node.name}")
        for one in node.decorator_list:
            self.parts.append("@")
            self.write(one)
        self._arguments(node.args, annotated=bool(node.decorator_list))
        found = scan(node.body)
        scope = Scope({*parameters(node.args), *(found.names.keys() - found.elsewhere)})
        self.resolver.import_into(scope, found)
        with self.resolver.within(scope):
            self._block(node.body, docstring=True)
        self.parts.append(")")

    def _lambda(self, node: ast.Lambda) -> None:
        self.parts.append("(Lambda")
        self._arguments(node.args, annotated=False)
        scope = Scope({*parameters(node.args), *bound([node.body])})
        with self.resolver.within(scope):
            self.write(node.body)
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
        scope = Scope(found.names, is_class=True)
        self.resolver.import_into(scope, found)
        with self.resolver.within(scope):
            self._block(node.body, docstring=True)
        self.parts.append(")")

    def _comprehension(self, node: ast.ListComp) -> None:
        self.parts.append(f"({type(node).__name__} ")
        self.write(node.generators[0].iter)  # which is looked up outside
        targets = [one.target for one in node.generators]
        with self.resolver.within(Scope(bound(targets))):
            self._plain(node, but=("generators",))
            for place, one in enumerate(node.generators):
                self._plain(one, but=() if place else ("iter",))
        self.parts.append(")")

    # -- statements -------------------------------------------------------------------------

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        """Write an import of a library; one of ours is what it makes names stand for."""
        own = []
        for module, name in runs(node, self.names.module, self.names.is_package()):
            if self.names.owns(module):
                own.append((module, name))
            else:
                self.parts.append(f"(import {module} {name})")
        self.resolver.runs += own
        for module, name in own:
            for one in self.names.lazy(module, name):
                self.resolver.follow(one)

    def _expression(self, node: ast.Expr) -> None:
        """Write a call for its effect; `import_module` of one of ours only runs that."""
        if isinstance(node.value, ast.Call):
            target = self.resolver.target(node.value)
            if target is not None and target.kind == "module":
                return
        self._plain(node)

    def _annotated(self, node: ast.AnnAssign) -> None:
        """Write an assignment; only a class may look at what its fields are annotated with."""
        in_class = self.resolver.is_in_class
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
        self.parts.append(":")
        with self.resolver.not_following():
            self.write(node)


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
