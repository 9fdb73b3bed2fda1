"""Discovery: which constructors the chosen Keras package has.

They are found by reading its source, so that listing and collecting cost milliseconds and
never import TensorFlow. What was found is kept in a cache file per version of the package.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from harness import search
from harness.matrix import discovery_cache
from harness.matrix.application import Application
from harness.matrix.keras_package import DEFAULT_KERAS_MODULE, distribution_version, keras_module
from harness.matrix.source import definitions, source_digest
from harness.paths import cache_dir
from harness.vocabulary import UsageError

#: Raised when what is cached or how it is found changes its form.
_CACHE_FORM = 4


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
    cached = discovery_cache.read(cache, stamp)
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
    discovery_cache.write(
        cache, stamp, [index, *(f for d in folders for f in d.glob("*.py"))], found
    )
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
            if name[:1].isupper() and alias.name in definitions(origin):
                found[name] = origin
    return found


def _module_file(dotted: str, package: str, root: Path) -> Path | None:
    if dotted != package and not dotted.startswith(package + "."):
        return None
    file = root.joinpath(*dotted[len(package) :].strip(".").split(".")).with_suffix(".py")
    return file if file.is_file() else None


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
        "PYTHONPATH": search.for_children(),
        "TF_USE_LEGACY_KERAS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(
        [sys.executable, "-c", search.NOT_HERE_FIRST + _PROBE, module],
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
