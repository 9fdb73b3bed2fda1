"""Applications: the model constructors that make the rows of the matrix.

Constructors are discovered from the chosen Keras package by reading its source, so
that listing and collecting cost milliseconds and never import TensorFlow. What was
found is kept in a cache file per version of the package.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path

from harness.paths import cache_dir
from harness.vocabulary import UsageError, unknown

DEFAULT_KERAS_MODULE = "tf_keras"

#: Raised when what is cached or how it is found changes its form.
_CACHE_FORM = 3


@dataclass(frozen=True)
class Application:
    """A model constructor.

    Attributes:
      name: the constructor's name, e.g. ``MobileNetV2``; the first part of a case id.
      family: the source module that defines it, e.g. ``mobilenet_v2``.
      module: where it is imported from, e.g. ``tf_keras.applications``.
      function: its name in that module.
      source: digest of the source it is built from.
    """

    name: str
    family: str
    module: str
    function: str
    source: str

    @property
    def is_discovered(self) -> bool:
        """Whether it comes from a Keras package rather than from a user's own module."""
        return self.module.endswith(".applications")


def keras_module() -> str:
    """Return the name of the chosen Keras module (``KERAS_MODULE``)."""
    return os.environ.get("KERAS_MODULE") or DEFAULT_KERAS_MODULE


@cache
def distribution_version(module: str) -> str:
    """Return the installed version of the distribution that ships ``module``."""
    name = module.partition(".")[0].replace("_", "-")
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def discover(module: str | None = None) -> tuple[Application, ...]:
    """Return every constructor in ``<module>.applications``, sorted by family and name.

    Args:
      module: a Keras package; by default the chosen one.

    Raises:
      UsageError: the package is not installed or has no applications.
    """
    return _discover(module or keras_module())


@lru_cache(maxsize=8)
def _discover(module: str) -> tuple[Application, ...]:
    root = _package_root(module)
    index = root / "applications" / "__init__.py"
    if not index.is_file():
        raise UsageError(
            f"KERAS_MODULE={module}: the package has no applications; "
            f"unset KERAS_MODULE to use {DEFAULT_KERAS_MODULE}"
        )
    stamp = [_CACHE_FORM, distribution_version(module), str(root)]
    cache = cache_dir() / f"applications-{module}.json"
    cached = _read_cache(cache, stamp)
    if cached is not None:
        return cached
    origins = _read_index(module, root, index)
    constructors = [
        Application(name, origin.stem, f"{module}.applications", name, source_digest(origin))
        for name, origin in origins.items()
    ] or _ask_python(module)
    if not constructors:
        raise UsageError(f"no constructor found in {module}.applications")
    found = tuple(sorted(constructors, key=lambda a: (a.family, a.name)))
    folders = {origin.parent for origin in origins.values()}
    _write_cache(cache, stamp, [index, *(f for d in folders for f in d.glob("*.py"))], found)
    return found


def _package_root(module: str) -> Path:
    """Locate a package without importing it."""
    try:
        spec = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        name = module.partition(".")[0].replace("_", "-")
        raise UsageError(
            f"the Keras module {module!r} is not installed: `pip install {name}`, "
            f"or unset KERAS_MODULE to use {DEFAULT_KERAS_MODULE}"
        )
    return Path(next(iter(spec.submodule_search_locations))).joinpath(*module.split(".")[1:])


def _read_index(module: str, root: Path, index: Path) -> dict[str, Path]:
    """Read the constructors out of ``applications/__init__.py``: origin by name.

    A constructor is a function or class that the index imports under a capitalised name
    from a module of the same package which defines it.
    """
    found: dict[str, Path] = {}
    for node in ast.walk(ast.parse(index.read_bytes())):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        origin = _module_file(node.module, module, root)
        if origin is None:
            continue
        for alias in node.names:
            name = alias.asname or alias.name
            if name[:1].isupper() and alias.name in _definitions(origin):
                found[name] = origin
    return found


def _module_file(dotted: str, package: str, root: Path) -> Path | None:
    if dotted != package and not dotted.startswith(package + "."):
        return None
    file = root.joinpath(*dotted[len(package) :].strip(".").split(".")).with_suffix(".py")
    return file if file.is_file() else None


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_bytes())


@cache
def _definitions(file: Path) -> frozenset[str]:
    kinds = (ast.FunctionDef, ast.ClassDef)
    return frozenset(n.name for n in _tree(file).body if isinstance(n, kinds))


@cache
def source_digest(file: Path) -> str:
    """Digest ``file`` and the modules beside it that it imports, transitively."""
    seen: set[Path] = set()
    queue = [file]
    while queue:
        current = queue.pop()
        if current in seen:
            continue
        seen.add(current)
        for node in ast.walk(_tree(current)):
            names: list[str] = []
            if isinstance(node, ast.ImportFrom):
                names = [(node.module or "").rpartition(".")[2], *(a.name for a in node.names)]
            elif isinstance(node, ast.Import):
                names = [a.name.rpartition(".")[2] for a in node.names]
            beside = (current.parent / f"{name}.py" for name in names if name)
            queue.extend(f for f in beside if f.is_file())
    digest = hashlib.sha256()
    for one in sorted(seen):
        digest.update(one.name.encode())
        digest.update(one.read_bytes())
    return digest.hexdigest()[:16]


#: Lists the constructors the slow way, for a package whose index cannot be read as source.
_PROBE = """
import importlib, inspect, json, sys
package = importlib.import_module(sys.argv[1] + ".applications")
found = [
    (name, getattr(inspect.getmodule(value), "__name__", "applications").rpartition(".")[2])
    for name, value in vars(package).items()
    if name[:1].isupper() and callable(value)
]
print("\\n" + json.dumps(found))
"""


def _ask_python(module: str) -> list[Application]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "TF_USE_LEGACY_KERAS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, module],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UsageError(f"cannot import {module}.applications: {last}")
    rows = json.loads(done.stdout.strip().splitlines()[-1])
    return [Application(n, f, f"{module}.applications", n, "") for n, f in rows]


def _read_cache(cache: Path, stamp: list[object]) -> tuple[Application, ...] | None:
    try:
        data = json.loads(cache.read_text(encoding="utf-8"))
        files = data["files"]
        if data["stamp"] != stamp or files != {name: _file_stamp(Path(name)) for name in files}:
            return None
        return tuple(Application(**a) for a in data["applications"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_cache(
    cache: Path, stamp: list[object], files: Iterable[Path], found: Iterable[Application]
) -> None:
    """Keep what was found, with the state of every file it was read from."""
    temporary = cache.with_suffix(f".{os.getpid()}")
    try:
        data = {
            "stamp": stamp,
            "files": {str(file): _file_stamp(file) for file in files},
            "applications": [asdict(a) for a in found],
        }
        cache.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(data), encoding="utf-8")
        os.replace(temporary, cache)
    except OSError:
        pass  # a read-only home costs a few hundred milliseconds, not the run


def _file_stamp(file: Path) -> list[int]:
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns]


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
            names = _definitions(origin)
        except SyntaxError as error:
            raise UsageError(
                f"application {reference!r}: {origin.name}:{error.lineno}: {error.msg}"
            ) from error
        if function not in names:
            raise unknown(f"application in {dotted}", function, names)
        source = source_digest(origin)
    else:
        source = ""
    return Application(function, dotted.rpartition(".")[2], dotted, function, source)


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


def select(patterns: Iterable[str] = (), module: str | None = None) -> tuple[Application, ...]:
    """Return the applications that ``patterns`` name; all of them for no pattern.

    Args:
      patterns: names, shell patterns (``ResNet*``), family names (``family:regnet``), or
        ``package.module:function`` for a constructor of one's own.
      module: the Keras package; by default the chosen one.

    Raises:
      UsageError: a pattern matches nothing; the message names the nearest.
    """
    from fnmatch import fnmatchcase

    every = discover(module)
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
