"""Applications that words name: of the package, or of a user's own module."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from harness.matrix import discovery
from harness.matrix.application import Application
from harness.matrix.source import definitions, source_digest
from harness.vocabulary import UsageError, unknown


def select(patterns: Iterable[str] = (), module: str | None = None) -> tuple[Application, ...]:
    """Return the applications that ``patterns`` name; all of them for no pattern.

    Args:
      patterns: names, shell patterns (``ResNet*``), family names (``family:regnet``), or
        ``package.module:function`` for a constructor of one's own.
      module: the Keras package; by default the chosen one.

    Raises:
      UsageError: a pattern matches nothing; the message names the nearest.
    """
    every = discovery.discover(module)
    patterns = list(patterns)
    if not patterns:
        return every
    chosen: dict[str, Application] = {}
    for pattern in patterns:
        if pattern.startswith("family:"):
            family = pattern.partition(":")[2]
            hits = [a for a in every if a.family == family]
            if not hits:
                raise unknown("family", family, sorted({a.family for a in every}))
        elif ":" in pattern:
            hits = [named(pattern)]
        else:
            hits = [a for a in every if fnmatchcase(a.name, pattern)]
            if not hits:
                raise unknown("application", pattern, [a.name for a in every])
        chosen.update((a.name, a) for a in hits)
    return tuple(chosen.values())


def named(reference: str) -> Application:
    """Return a user's own application from ``package.module:function``.

    Raises:
      UsageError: the module cannot be found, or does not define that name.
    """
    dotted, _, function = reference.partition(":")
    origin = _locate(dotted)
    if origin is None:
        raise UsageError(f"application {reference!r}: there is no module {dotted!r} on sys.path")
    if origin.suffix == ".py":
        try:
            names = definitions(origin)
        except SyntaxError as error:
            raise UsageError(
                f"application {reference!r}: {origin.name}:{error.lineno}: {error.msg}"
            ) from error
        if function not in names:
            public = [name for name in names if not name.startswith("_")]
            raise unknown(f"application in {dotted}", function, public)
        source = source_digest(origin)
    else:
        source = ""
    return Application(function, dotted.rpartition(".")[2], dotted, function, source, own=True)


def _locate(dotted: str) -> Path | None:
    """Return the file of a module without importing the packages it is in."""
    top, *rest = dotted.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or not rest:
        return Path(spec.origin) if spec and spec.origin else None
    for folder in spec.submodule_search_locations or ():
        path = Path(folder, *rest)
        candidates = [path.with_suffix(".py"), path / "__init__.py"]
        candidates += sorted(path.parent.glob(f"{path.name}.*.so"))
        for candidate in candidates:
            if candidate.is_file():
                return candidate
    return None
