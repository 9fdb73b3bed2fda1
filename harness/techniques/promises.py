"""What pruning and clustering promise of the kernels, and whether they hold it.

Looked at twice: in the model after training, where masks and centroids have to be at work,
and in the exported file, where nobody but the numbers themselves can tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.stages.workbench import CheckError
from harness.techniques.control import Float

if TYPE_CHECKING:
    from optim.sparsity.measure import KernelSparsity
    from optim.sparsity.report import SparsityReport

#: How far the sparsity of all kernels together may be from the one aimed at, as a share of 1.
TOLERANCE = 0.005

#: Share of a model's zeros that may be missing from its file: none but for rounding.
_LOST = 0.001

_CHUNK = 1 << 22  # bytes


class MaskMissingError(CheckError):
    """Training ended, and no mask was ever set."""


class SparsityLostError(CheckError):
    """Weights that were pruned are not zero any more."""


class PatternLostError(CheckError):
    """Groups of weights have fewer zeros than their pattern asks for."""


class ClustersLostError(CheckError):
    """A kernel has more different values than its clustering allows."""


@dataclass(frozen=True)
class Promise:
    """What holds for kernels.

    Attributes:
      sparsity: share of zeros in those that are pruned; 0: none are.
      m_by_n: m zeros in n consecutive weights along the inputs.
      clusters: different values in each that is clustered; 0: none are.
      depthwise: whether depthwise kernels are pruned and clustered too.
    """

    sparsity: float = 0.0
    m_by_n: tuple[int, int] | None = None
    clusters: int = 0
    depthwise: bool = False


class Kept(Float):
    """A technique that promises something of the kernels."""

    preserves = False
    promise = Promise()
    components: tuple[str, ...] = ("sparsity",)

    def inspect(self, result: Any, known: Mapping[str, Any]) -> Mapping[str, Any]:
        if not isinstance(result, Path):
            return in_model(self.promise, self.kernels(result))
        found = in_file(self.promise, self.report(result), known)
        return {**found, "deflated_bytes": deflated(result)}

    def kernels(self, model: Any) -> list[KernelSparsity]:
        """Measure those that the technique works on."""
        found = self.report(model).kernels
        return [k for k in found if k.target is not None or k.clusters is not None]

    def report(self, result: Any) -> SparsityReport:
        from optim import sparsity_report

        return sparsity_report(result, m_by_n=self.promise.m_by_n or (2, 4))


def in_model(promise: Promise, kernels: Sequence[KernelSparsity]) -> dict[str, Any]:
    """Look at the kernels of a model after training.

    Raises:
      MaskMissingError, SparsityLostError, PatternLostError, ClustersLostError: a promise
        is not kept.
    """
    size = sum(k.size for k in kernels)
    zeros = round(sum(k.size * k.sparsity for k in kernels))
    found: dict[str, Any] = {"treated_kernels": len(kernels)}
    if promise.sparsity:
        share = zeros / size if size else 0.0
        found |= {"sparsity": share, "kernel_zeros": zeros}
        if not zeros:
            raise MaskMissingError(
                f"none of the weights in {len(kernels)} kernels is zero after training: "
                "no mask was set"
            )
        if not abs(share - promise.sparsity) <= TOLERANCE:
            raise SparsityLostError(
                f"{share:.2%} of the weights in {len(kernels)} kernels are zero after "
                f"training, of {promise.sparsity:.2%} wanted"
            )
    if promise.m_by_n:
        found["pattern"] = pattern(promise.m_by_n, kernels)
    if promise.clusters:
        found["unique_weights"] = few(promise.clusters, ((k, k.unique) for k in kernels))
    return found


def in_file(promise: Promise, report: SparsityReport, known: Mapping[str, Any]) -> dict[str, Any]:
    """Look at the kernels of a LiteRT file.

    A float file has normalizations folded into its kernels, which gives each output channel
    a factor of its own: there the different values are counted in each channel.

    Args:
      promise: of the technique.
      report: on the file.
      known: metrics of the case so far, with the number of zeros in the model.

    Raises:
      SparsityLostError, PatternLostError, ClustersLostError: a promise is not kept.
    """
    found: dict[str, Any] = {}
    if promise.sparsity:
        found["sparsity"] = report.total.sparsity
        zeros = round(sum(k.size * k.sparsity for k in report.kernels))
        wanted = known["kernel_zeros"]
        if not zeros >= (1 - _LOST) * wanted:
            raise SparsityLostError(
                f"{zeros} weights of the file are zero, and {wanted} were in the model"
            )
    if promise.m_by_n:
        found["pattern"] = pattern(promise.m_by_n, report.kernels)
    if promise.clusters:
        counted = [k for k in report.kernels if promise.depthwise or "depthwise" not in k.kernel]
        found["unique_weights"] = few(promise.clusters, ((k, different(k)) for k in counted))
    return found


def different(kernel: KernelSparsity) -> int | None:
    """Return how many different values count: in the most varied channel, where there are some."""
    if kernel.dtype.startswith("float") and kernel.unique_per_channel is not None:
        return kernel.unique_per_channel
    return kernel.unique


def pattern(m_by_n: tuple[int, int], kernels: Iterable[KernelSparsity]) -> float:
    """Return the share of groups that have their zeros: 1.

    Raises:
      PatternLostError: some have not.
    """
    with_groups = [k for k in kernels if k.satisfied is not None]
    for kernel in with_groups:
        if kernel.satisfied != 1:
            m, n = m_by_n
            raise PatternLostError(
                f"{kernel.layer} {kernel.kernel}: {kernel.satisfied:.2%} of its groups of {n} "
                f"weights have {m} zeros"
            )
    return 1.0


def few(clusters: int, numbers: Iterable[tuple[KernelSparsity, int | None]]) -> int:
    """Return the largest number of different values in a kernel.

    Raises:
      ClustersLostError: it is more than there are clusters.
    """
    largest = 0
    for kernel, number in numbers:
        if number is None or number > clusters:
            raise ClustersLostError(
                f"{kernel.layer} {kernel.kernel}: {number or 'over 1024'} different values in "
                f"{clusters} clusters"
            )
        largest = max(largest, number)
    return largest


def deflated(path: Path) -> int:
    """Return how many bytes of a file are left when it is compressed (DEFLATE, level 6).

    By zlib-ng, whose files are zlib's but for a few per cent of their size: zlib itself takes
    three times as long, longer than all else that is done with the file.
    """
    from zlib_ng import zlib_ng

    compressor = zlib_ng.compressobj(6)
    size = 0
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            size += len(compressor.compress(part))
    return size + len(compressor.flush())
