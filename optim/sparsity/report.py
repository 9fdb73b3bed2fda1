"""`sparsity_report`: how sparse, how structured and how clustered the kernels of a model are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from optim.errors import ConfigError
from optim.files.detection import detect
from optim.files.formats import LITERT
from optim.litert import LiteRTFile
from optim.models.integers import pair
from optim.sparsity.distinct import MANY
from optim.sparsity.measure import KernelSparsity

__all__ = ["KernelSparsity", "SparsityReport", "sparsity_report"]


@dataclass(frozen=True)
class SparsityReport:
    """The kernels of a model or file. `str()` and `print` give a table.

    Attributes:
        model: name of the model, or of the file.
        kernels: one entry per kernel, in the order of the model.
    """

    model: str
    kernels: tuple[KernelSparsity, ...]

    @property
    def total(self) -> KernelSparsity:
        """All kernels as if they were one; `target` and `satisfied` as far as there are any."""
        size = sum(k.size for k in self.kernels)
        aimed = [k for k in self.kernels if k.target is not None]
        grouped = [k for k in self.kernels if k.satisfied is not None]
        blocks = sum(k.blocks for k in grouped)
        patterns = {k.m_by_n for k in grouped}
        counts = [k.unique for k in self.kernels]
        return KernelSparsity(
            layer="total",
            kernel=f"{len(self.kernels)} kernels",
            shape=(),
            size=size,
            sparsity=_mean(self.kernels, "sparsity", "size"),
            target=_mean(aimed, "target", "size") if aimed else None,
            m_by_n=patterns.pop() if len(patterns) == 1 else None,
            blocks=blocks,
            satisfied=_mean(grouped, "satisfied", "blocks") if grouped else None,
            unique=max((c for c in counts if c is not None), default=None)
            if None not in counts
            else None,
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return a dict per kernel, for pandas or a spreadsheet."""
        return [asdict(kernel) for kernel in self.kernels]

    def to_dict(self) -> dict[str, Any]:
        """Return everything in plain types, ready for JSON."""
        return {
            "model": self.model,
            "kernels": [_plain(row) for row in self.rows()],
            "total": _plain(asdict(self.total)),
        }

    def __str__(self) -> str:
        lines = [list(_COLUMNS)]
        lines += [[show(k) for show in _COLUMNS.values()] for k in (*self.kernels, self.total)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        left = 3  # columns of text; the others are numbers
        table = [
            "  ".join(
                cell.ljust(w) if i < left else cell.rjust(w)
                for i, (cell, w) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        return "\n".join([f"sparsity of {self.model}", *table])


def _mean(kernels: Any, value: str, weight: str) -> float:
    total = sum(getattr(k, weight) for k in kernels)
    return sum(getattr(k, value) * getattr(k, weight) for k in kernels) / total if total else 0.0


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: list(x) if isinstance(x, tuple) else x for name, x in row.items()}


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}%"


def _pattern(kernel: KernelSparsity) -> str:
    if kernel.m_by_n is None or kernel.satisfied is None:
        return "-"
    return f"{kernel.m_by_n[0]}:{kernel.m_by_n[1]} {_percent(kernel.satisfied)}"


def _unique(kernel: KernelSparsity) -> str:
    count = f">{MANY}" if kernel.unique is None else str(kernel.unique)
    return f"{count} of {kernel.clusters}" if kernel.clusters else count


_COLUMNS = {
    "layer": lambda k: k.layer,
    "kernel": lambda k: k.kernel,
    "shape": lambda k: "x".join(map(str, k.shape)),
    "values": lambda k: str(k.size),
    "target": lambda k: _percent(k.target),
    "zeros": lambda k: _percent(k.sparsity),
    "m:n": _pattern,
    "unique": _unique,
}


def sparsity_report(
    model_or_file: Any,
    *,
    m_by_n: tuple[int, int] = (2, 4),
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
) -> SparsityReport:
    """Measure the zeros, the m-by-n pattern and the different values of all kernels.

    Args:
        model_or_file: a Keras model, with the wrappers of `prune_low_magnitude` or
            `cluster_weights` or without; the path of a model file that `optim.load_model`
            reads; or a LiteRT file: its path, its content, or what `optim.litert.opened` made
            of it. Masks and clusters of wrappers are taken into account, as `unprune` and
            `uncluster` would.
        m_by_n: the pattern to look for where the wrapper does not name one.
        custom_objects, safe_mode: for loading a Keras file, as for `optim.load_model`.

    Returns:
        A `SparsityReport`. A file's quantized values are zero where they equal their
        zero point.

    Raises:
        KerasModelError: not a model of tf_keras, nor a path or bytes.
        ModelFileError: a file that is missing or cannot be read.
        UnsupportedModelError: the model is not built, or has no layers (a plain SavedModel).
        ConfigError: bad `m_by_n`.
    """
    m, n = m_by_n = pair(m_by_n, "m_by_n")
    if not 0 < m < n:
        raise ConfigError(f"m_by_n={m_by_n}: m zeros in n values, 0 < m < n")
    if isinstance(model_or_file, (bytes, bytearray, LiteRTFile)):
        return _of_litert("LiteRT model", model_or_file, m_by_n)
    if isinstance(model_or_file, (str, os.PathLike)):
        path = Path(model_or_file)
        found = detect(path)
        if found is LITERT or (path.suffix == ".tflite" and not found.is_model):
            return _of_litert(path.name, path, m_by_n)
        from optim.files.api import load_model

        loaded = load_model(path, custom_objects, compile=False, safe_mode=safe_mode)
        return _of_keras(loaded, path.name, m_by_n)
    from optim._keras import accepted
    from optim.models.clone import check_built

    model_or_file = accepted(model_or_file, "sparsity_report")
    check_built(model_or_file)
    return _of_keras(model_or_file, model_or_file.name, m_by_n)


def _of_keras(model: Any, name: str, m_by_n: tuple[int, int]) -> SparsityReport:
    from optim.models.sealed import check_open
    from optim.sparsity.keras_model import kernels

    check_open(model)
    return SparsityReport(name, tuple(kernels(model, m_by_n)))


def _of_litert(name: str, source: Any, m_by_n: tuple[int, int]) -> SparsityReport:
    from optim.sparsity.litert_file import kernels

    return SparsityReport(name, tuple(kernels(source, m_by_n)))
