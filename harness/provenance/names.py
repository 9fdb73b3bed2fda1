"""Names of a module: what they stand for, and what has to be known of a module to tell."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Protocol


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
