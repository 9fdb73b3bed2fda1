"""Digests of code that do not see its layout.

Code is taken as top-level definitions, not as files. From an entry point, what it refers to
is followed, and what that refers to: in its module, in others of ours, through whatever way
they are imported. A module that is imported on the way counts with what it does then (see
`harness.provenance.effects`). The digest is of the set of all that is reached, each in its
normal form: where a definition stands, and what its module is called, is not in it.

In doubt more counts than runs, never less: a module that is used as a value, where it cannot
be told for what, counts whole. What is not seen is a module of ours whose name is put
together at run time other than after a fixed beginning.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from harness.provenance.module import Module
from harness.provenance.names import Target
from harness.provenance.normal_form import Form, normal_form
from harness.provenance.scopes import bound
from harness.provenance.sources import Sources

#: How far an entry of a digest tells what a definition refers to: two that swap their roles
#: under one name do not go unseen.
_DEPTH = 2


class Statement(NamedTuple):
    """One top-level statement: its module, and which one it is there."""

    module: str
    place: int


@dataclass(frozen=True)
class Closure:
    """All that is reached from entry points.

    Attributes:
      statements: the definitions, and what acts where a module is imported.
      modules: those that are executed on the way.
    """

    statements: frozenset[Statement] = frozenset()
    modules: frozenset[str] = frozenset()

    def __or__(self, other: Closure) -> Closure:
        return Closure(self.statements | other.statements, self.modules | other.modules)

    def __sub__(self, other: Closure) -> Closure:
        return Closure(self.statements - other.statements, self.modules - other.modules)


#: A statement that is reached, or the name of a module that is executed.
_Node = Statement | str


class EntryError(LookupError):
    """An entry point names nothing that is there."""


class Code:
    """The code of our packages, read as far as it is asked for.

    Args:
      sources: where modules are read from.
    """

    def __init__(self, sources: Sources | None = None) -> None:
        self.sources = sources or Sources()
        self._modules: dict[str, Module | None] = {}
        self._forms: dict[Statement, Form] = {}
        self._labels: dict[tuple[Statement, int], str] = {}
        self._next: dict[_Node, tuple[_Node, ...]] = {}

    # -- from entry points to a digest --------------------------------------------------------

    def closure(self, entries: Iterable[str]) -> Closure:
        """Follow entry points, ``package.module:name`` or ``package.module`` for all of it.

        Raises:
          EntryError: there is no such module or name.
        """
        begins: list[_Node] = []
        for entry in entries:
            dotted, _, name = entry.partition(":")
            if self.module(dotted) is None:
                raise EntryError(f"there is no module {dotted!r}")
            begins.append(dotted)
            target = self.attribute(dotted, name) if name else Target("module", dotted)
            if target is None:
                raise EntryError(f"module {dotted!r} has no {name!r}")
            for one in (*self.lazy(dotted, name), target):
                begins += self._defining(one)
        return self.reach(begins)

    def reach(self, begins: Iterable[_Node]) -> Closure:
        """Follow statements, and modules that are imported, as far as they lead."""
        seen: set[_Node] = set()
        open_ = list(begins)
        while open_:
            node = open_.pop()
            if node in seen:
                continue
            seen.add(node)
            if node not in self._next:
                self._next[node] = tuple(dict.fromkeys(self._leads_to(node)))
            open_ += self._next[node]
        modules = frozenset(one for one in seen if isinstance(one, str))
        statements = frozenset(one for one in seen if isinstance(one, Statement))
        return Closure(statements, modules)

    def _leads_to(self, node: _Node) -> Iterator[_Node]:
        if isinstance(node, str):
            yield from self._importing(node)
        else:
            yield node.module
            yield from self.leads_to(self.form(node))

    def leads_to(self, form: Form) -> Iterator[_Node]:
        """Yield the statements and modules that a statement of this form refers to."""
        for target in form.targets:
            yield from self._defining(target)
        for dotted, name in form.runs:
            yield from self._import(dotted, name)

    def _importing(self, dotted: str) -> Iterator[_Node]:
        """Yield what runs when a module is imported: what it is in, and what it does."""
        module = self.module(dotted)
        parent = dotted.rpartition(".")[0]
        if parent:
            yield parent
        if module is not None:
            yield from (Statement(dotted, place) for place in module.acting)
            for other, name in module.runs:
                yield from self._import(other, name)

    def _import(self, dotted: str, name: str | None) -> Iterator[_Node]:
        """Yield what an import runs: of a module, or of a name that may be one in a package."""
        if not self.sources.owns(dotted):
            return
        yield dotted
        for one in self.lazy(dotted, name):
            yield from self._defining(one)
        target = None if name is None else self.attribute(dotted, name)
        if target is not None and target.kind != "library":
            yield target.module

    def _defining(self, target: Target) -> Iterator[_Node]:
        if target.kind != "library":
            yield target.module
            yield from self.statements(target)

    def digest(self, closure: Closure) -> str:
        """Digest what a closure holds."""
        entries = {self._label(one, _DEPTH) for one in closure.statements}
        entries.update(order for name in closure.modules for order in self._orders(name))
        return _sha(*sorted(entries))[:16]

    # -- modules ------------------------------------------------------------------------------

    def module(self, dotted: str) -> Module | None:
        """Return a module of ours, parsed; None if there is none of the name."""
        if dotted not in self._modules:
            source = self.sources.read(dotted)
            self._modules[dotted] = None if source is None else Module(self, source)
        return self._modules[dotted]

    def attribute(self, dotted: str, name: str, *, seen: tuple[str, ...] = ()) -> Target | None:
        """Return what an attribute of a module stands for, through re-exports."""
        module = self.module(dotted)
        key = f"{dotted}:{name}"
        if module is None or key in seen:
            return None
        found = module.bare(name, seen=(*seen, key))
        if found is not None:
            return found
        if self.sources.has(f"{dotted}.{name}"):
            return Target("module", f"{dotted}.{name}")
        where = module.lazy_table.get(name)
        if where is not None:
            return self.attribute(where, name, seen=(*seen, key))
        if name in module.for_checkers:
            given = module.for_checkers[name]
            if given is None:
                return Target("own", dotted, name)
            return self.imported(*given, seen=(*seen, key))
        for star in module.stars:
            found = self.attribute(star, name, seen=(*seen, key))
            if found is not None:
                return found
        return None

    def imported(
        self, dotted: str, name: str | None, *, seen: tuple[str, ...] = ()
    ) -> Target | None:
        """Return what an import binds."""
        if not self.sources.owns(dotted):
            return Target("library", f"{dotted}.{name}" if name else dotted)
        if name is None:
            return Target("module", dotted)
        return self.attribute(dotted, name, seen=seen)

    def lazy(self, dotted: str, name: str | None) -> list[Target]:
        """Return what runs when an attribute that a module does not bind is looked up there."""
        module = self.module(dotted)
        if module is None or name is None or "__getattr__" not in module.bindings:
            return []
        if name in module.bindings or self.sources.has(f"{dotted}.{name}"):
            return []
        return [Target("own", dotted, "__getattr__")]

    def statements(self, target: Target) -> list[Statement]:
        """Return the statements that define what a name stands for."""
        module = self.module(target.module)
        if module is None or target.kind == "library":
            return []
        if target.kind == "module":
            return [Statement(target.module, place) for place in range(len(module.body))]
        places = [at for at in module.bindings.get(target.name, ()) if isinstance(at, int)]
        return [Statement(target.module, place) for place in places]

    def node(self, statement: Statement) -> ast.stmt:
        module = self.module(statement.module)
        assert module is not None
        return module.body[statement.place]

    def form(self, statement: Statement) -> Form:
        """Return the normal form of a statement."""
        if statement not in self._forms:
            module = self.module(statement.module)
            assert module is not None
            self._forms[statement] = normal_form(self.node(statement), module)
        return self._forms[statement]

    # -- labels -------------------------------------------------------------------------------

    def _label(self, statement: Statement, depth: int) -> str:
        """Digest a statement, and to some depth what it refers to, in order."""
        if depth == 0:
            return self.form(statement).label
        key = (statement, depth)
        if key not in self._labels:
            targets = [
                "".join(sorted(self._label(one, depth - 1) for one in self.statements(target)))
                for target in self.form(statement).targets
            ]
            self._labels[key] = _sha(self.form(statement).label, *targets)
        return self._labels[key]

    def _orders(self, dotted: str) -> Iterator[str]:
        """Yield digests of the orders that matter within a module that is executed."""
        module = self.module(dotted)
        for group in module.ordered if module is not None else ():
            yield _sha("order", *(self.form(Statement(dotted, place)).label for place in group))

    # -- what the effects of a statement depend on ----------------------------------------------

    def is_data(self, target: Target) -> bool:
        """Whether a class of ours does nothing when it is instantiated."""
        for statement in self.statements(target):
            node = self.node(statement)
            module = self.module(statement.module)
            if not isinstance(node, ast.ClassDef) or module is None:
                return False
            names = bound(node.body)
            if {"__init__", "__new__", "__post_init__"} & names.keys():
                return False
            marks = [
                module.target(one.func if isinstance(one, ast.Call) else one)
                for one in (*node.decorator_list, *node.bases)
            ]
            data = ("dataclasses.dataclass", "typing.NamedTuple", "enum.Enum")
            if not any(mark is not None and mark.module in data for mark in marks):
                return False
        return bool(self.statements(target))

    def registers(self, target: Target, seen: tuple[Target, ...] = ()) -> bool:
        """Whether a class of ours, or one that it inherits from, is told of its subclasses."""
        if target in seen:
            return False
        for statement in self.statements(target):
            node, module = self.node(statement), self.module(statement.module)
            if not isinstance(node, ast.ClassDef) or module is None:
                continue
            if "__init_subclass__" in bound(node.body):
                return True
            if any(word.arg == "metaclass" for word in node.keywords):
                return True
            for base in map(module.target, node.bases):
                if base and base.kind == "own" and self.registers(base, (*seen, target)):
                    return True
        return False


def _sha(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
