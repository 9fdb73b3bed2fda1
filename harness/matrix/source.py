"""Files of constructors, read as source: what they define, and a digest of it."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_bytes())


@cache
def definitions(file: Path) -> frozenset[str]:
    """Return the names of the functions and classes that a file defines."""
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
