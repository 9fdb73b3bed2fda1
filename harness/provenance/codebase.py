"""The code as it is here: a digest for each component, and for each technique's own part."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

from harness.provenance.source_digest import Closure, Code
from harness.provenance.sources import Source, Sources
from harness.techniques.components import COMPONENTS, OF_STAGES, of_case


class Provenance:
    """Digests of components and techniques, each made once.

    Args:
      sources: where modules are read from: by default from where they are imported.
    """

    def __init__(self, sources: Sources | None = None) -> None:
        self.code = Code(sources)
        self._closures: dict[str, Closure] = {}
        self._digests: dict[str, str] = {}
        self._techniques: dict[tuple[object, ...], str] = {}
        self._codes: dict[str, Code] = {}

    def closure(self, component: str) -> Closure:
        """Return what a component consists of."""
        if component not in self._closures:
            self._closures[component] = self.code.closure(COMPONENTS[component].entries)
        return self._closures[component]

    def component(self, name: str) -> str:
        """Digest a component."""
        if name not in self._digests:
            self._digests[name] = self.code.digest(self.closure(name))
        return self._digests[name]

    def components(self, names: Iterable[str] = COMPONENTS) -> dict[str, str]:
        """Digest components, by name."""
        return {name: self.component(name) for name in names}

    def technique(self, technique: Any) -> str:
        """Digest what a technique does itself: its classes, and what they alone reach.

        What belongs to a component that it names, or to one that its stages work with, counts
        there.
        """
        key = (type(technique), tuple(technique.components), tuple(technique.stages))
        if key not in self._techniques:
            self._techniques[key] = self._own(*key)  # type: ignore[arg-type]
        return self._techniques[key]

    def covered(self, named: Iterable[str], stages: Collection[str]) -> Closure:
        """Return what the components of a technique consist of, and those of stages."""
        found = Closure()
        for name in (*named, *(one for stage in stages for one in OF_STAGES[stage])):
            found |= self.closure(name)
        return found

    def everything(self, technique: Any) -> Closure:
        """Return all that the keys of a technique cover: its own, its components, its stages."""
        cls = type(technique)
        found = self.covered(technique.components, technique.stages)
        name = cls.__qualname__.partition(".")[0]
        code = self.code_of(cls)
        if code.attribute(cls.__module__, name) is not None:
            found |= code.closure([f"{cls.__module__}:{name}"])
        return found

    def of_case(self, technique: Any, tried: Collection[str]) -> dict[str, str]:
        """Digest the components that decide an outcome, by name."""
        return self.components(of_case(technique.components, tried))

    def _own(self, cls: type, named: tuple[str, ...], stages: tuple[str, ...]) -> str:
        code, name = self.code_of(cls), cls.__qualname__.partition(".")[0]
        if code.attribute(cls.__module__, name) is not None:
            own = code.closure([f"{cls.__module__}:{name}"])  # and so those it inherits from
            return code.digest(own - self.covered(named, stages))
        return _sha(map(_text_code, cls.__mro__[:-1]))

    def code_of(self, cls: type) -> Code:
        """Return the code in which a class is followed: with the package it lives in."""
        top = cls.__module__.partition(".")[0]
        if self.code.sources.owns(top):
            return self.code
        if top not in self._codes:
            self._codes[top] = Code(self.code.sources.with_own(top))
        return self._codes[top]


@cache
def here() -> Provenance:
    """Return the code as it was when this process first asked."""
    return Provenance()


def _sha(parts: Iterable[str]) -> str:
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]


def _text_code(cls: type) -> str:
    """Digest a class whose module cannot be found again, such as one typed at a prompt."""
    try:
        text = inspect.cleandoc("\n" + inspect.getsource(cls))
    except (OSError, TypeError):
        return cls.__qualname__
    code = Code(Sources(("_",), {"_": Source("_", text)}))
    return code.digest(code.closure(["_"]))
