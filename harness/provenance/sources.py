"""Sources: the modules of our own packages as text, found without importing any of them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.paths import PROJECT

#: Packages whose code is followed, besides those that techniques of plug-ins live in.
OWN = ("optim", "harness")


@dataclass(frozen=True)
class Source:
    """One module: what it is called, its text, and whether others are in it."""

    name: str
    text: str
    is_package: bool = False


class Sources:
    """Reads modules of packages that are ours.

    Args:
      own: top-level names of the packages that are followed; all others are libraries.
      changed: modules to read from here and not from disk, by name; None: there is none of the
        name. Tests ask so what a change of code would do.
    """

    def __init__(
        self, own: Iterable[str] = OWN, changed: Mapping[str, Source | None] | None = None
    ) -> None:
        self.own = frozenset(own)
        self._changed = dict(changed or {})
        self._roots: dict[str, Path | None] = {}
        self._places: dict[str, Path | None] = {}

    def with_own(self, top: str) -> Sources:
        """Return the same with one more package that is ours."""
        return Sources((*self.own, top), self._changed)

    def owns(self, dotted: str) -> bool:
        """Whether a dotted name is in one of our packages."""
        return dotted.partition(".")[0] in self.own

    def has(self, dotted: str) -> bool:
        """Whether there is such a module of ours."""
        if not self.owns(dotted) or not all(map(str.isidentifier, dotted.split("."))):
            return False
        if dotted in self._changed:
            return self._changed[dotted] is not None
        return self._place(dotted) is not None

    def read(self, dotted: str) -> Source | None:
        """Return a module of ours; None if there is none of the name."""
        if not self.has(dotted):
            return None
        if dotted in self._changed:
            return self._changed[dotted]
        place = self._place(dotted)
        assert place is not None
        return Source(dotted, place.read_text(encoding="utf-8"), place.name == "__init__.py")

    def below(self, prefix: str) -> list[str]:
        """Return the modules of ours whose names begin so, sorted."""
        found = {name for name, source in self._changed.items() if source is not None}
        root = self._root(prefix.partition(".")[0])
        if root is not None and root.is_dir():
            top = root.name
            for file in root.rglob("*.py"):
                parts = [top, *file.relative_to(root).with_suffix("").parts]
                name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                if name not in self._changed:
                    found.add(name)
        return sorted(name for name in found if name.startswith(prefix))

    def _place(self, dotted: str) -> Path | None:
        if dotted not in self._places:
            self._places[dotted] = self._search(dotted)
        return self._places[dotted]

    def _search(self, dotted: str) -> Path | None:
        top, *rest = dotted.split(".")
        root = self._root(top)
        if root is None:
            return None
        if root.is_file():
            return None if rest else root
        path = root.joinpath(*rest)
        candidates = (path / "__init__.py", path.with_suffix(".py")) if rest else (
            path / "__init__.py",
        )  # fmt: skip
        return next((one for one in candidates if one.is_file()), None)

    def _root(self, top: str) -> Path | None:
        """Locate a package's folder, or the file of a module outside any package."""
        if top not in self._roots:
            self._roots[top] = _locate(top)
        return self._roots[top]


def _locate(top: str) -> Path | None:
    if top in OWN:  # the current folder may have others of these names
        return PROJECT / top
    loaded = getattr(sys.modules.get(top), "__file__", None)
    origin = loaded
    if origin is None:
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            spec = None
        if spec is None:
            return None
        origin = spec.origin
        if origin is None and spec.submodule_search_locations:
            return Path(next(iter(spec.submodule_search_locations)))  # a namespace package
    if not origin or not origin.endswith(".py"):
        return None
    file = Path(origin)
    return file.parent if file.name == "__init__.py" else file
