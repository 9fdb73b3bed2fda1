"""What pruning and clustering promise: when it counts as kept, and what is said when not."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.techniques import promises, registry
from harness.techniques.promises import Promise
from harness.techniques.treated import Treated
from optim.sparsity.measure import KernelSparsity
from optim.sparsity.report import SparsityReport

SPARSE = Promise(sparsity=0.5)
PATTERN = Promise(m_by_n=(2, 4))
FEW = Promise(clusters=16)


def kernel(layer: str = "conv", size: int = 1000, sparsity: float = 0.0, **more: Any) -> Any:
    return KernelSparsity(layer, "kernel", (size,), size, sparsity, **more)


def file(*kernels: KernelSparsity) -> SparsityReport:
    return SparsityReport("model.tflite", kernels)


# -- zeros -----------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.4951, 0.5, 0.5049])
def test_the_sparsity_of_all_kernels_together_has_to_be_close(share: float) -> None:
    found = promises.in_model(SPARSE, [kernel(sparsity=share), kernel(size=2, sparsity=0.5)])
    assert found["sparsity"] == pytest.approx(share, abs=1e-3)
    assert found["kernel_zeros"] == round(1000 * share) + 1
    assert found["treated_kernels"] == 2


@pytest.mark.parametrize("share", [0.494, 0.506])
def test_too_few_or_too_many_zeros_are_sparsity_lost(share: float) -> None:
    with pytest.raises(promises.SparsityLostError, match=f"{share:.2%} .* of 50.00% wanted"):
        promises.in_model(SPARSE, [kernel(sparsity=share)])


@pytest.mark.parametrize("kernels", [[], [kernel()]])
def test_no_zero_at_all_is_a_missing_mask(kernels: list[KernelSparsity]) -> None:
    with pytest.raises(promises.MaskMissingError, match=f"in {len(kernels)} kernels"):
        promises.in_model(SPARSE, kernels)


def test_a_file_has_the_zeros_of_the_model_whatever_else_it_has() -> None:
    content = file(kernel(sparsity=0.5), kernel("depthwise", 500))
    found = promises.in_file(SPARSE, content, {"kernel_zeros": 500})
    assert found == {"sparsity": pytest.approx(500 / 1500)}
    with pytest.raises(promises.SparsityLostError, match=r"500 weights of the file .* 502 were"):
        promises.in_file(SPARSE, content, {"kernel_zeros": 502})


# -- patterns --------------------------------------------------------------------------------


def test_one_group_without_its_zeros_loses_the_pattern() -> None:
    whole, none = kernel(satisfied=1.0), kernel(satisfied=None)
    assert promises.in_model(PATTERN, [whole, none])["pattern"] == 1
    assert promises.in_file(PATTERN, file(whole, none), {}) == {"pattern": 1}
    broken = kernel("last", satisfied=0.9996)
    for look in (
        lambda k: promises.in_model(PATTERN, k),
        lambda k: promises.in_file(PATTERN, file(*k), {}),
    ):
        with pytest.raises(
            promises.PatternLostError, match=r"last kernel: 99.96% of its groups of 4"
        ):
            look([whole, broken])


# -- clusters --------------------------------------------------------------------------------


def test_a_kernel_of_more_values_than_clusters_loses_them() -> None:
    assert promises.in_model(FEW, [kernel(unique=16), kernel(unique=9)])["unique_weights"] == 16
    with pytest.raises(promises.ClustersLostError, match="conv kernel: 17 different values in 16"):
        promises.in_model(FEW, [kernel(unique=17)])
    with pytest.raises(promises.ClustersLostError, match="over 1024 different values"):
        promises.in_model(FEW, [kernel(unique=None)])


def test_in_a_float_file_each_channel_counts_for_itself() -> None:
    scaled = kernel(unique=None, unique_per_channel=16)
    assert promises.in_file(FEW, file(scaled), {}) == {"unique_weights": 16}
    with pytest.raises(promises.ClustersLostError):
        promises.in_file(FEW, file(kernel(unique=17, unique_per_channel=16, dtype="int8")), {})


def test_depthwise_kernels_count_where_they_are_clustered_too() -> None:
    depthwise = KernelSparsity("dw", "depthwise_conv_2d", (1, 7, 7, 8), 392, 0.0, unique=300,
                               unique_per_channel=49)  # fmt: skip
    assert promises.in_file(FEW, file(depthwise), {}) == {"unique_weights": 0}
    with pytest.raises(promises.ClustersLostError, match="dw depthwise_conv_2d: 49"):
        promises.in_file(Promise(clusters=16, depthwise=True), file(depthwise), {})


# -- nothing to work on ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("promise", "error"), [(PATTERN, promises.MaskMissingError), (FEW, promises.ClustersLostError)]
)
def test_a_promise_that_an_untouched_model_keeps_asks_for_kernels(
    promise: Promise, error: type[Exception]
) -> None:
    class Nothing(Treated):
        id = "nothing"

        def kernels(self, model: Any) -> list[KernelSparsity]:
            return []

    one = Nothing()
    one.promise = promise
    with pytest.raises(error, match="nothing works on none of the kernels"):
        one.inspect(object(), {})


def test_every_technique_but_plain_pruning_asks_for_kernels() -> None:
    asking = {name for name, one in registry().items() if isinstance(one, Treated)}
    assert asking == {"prune-2x4", "cluster-tfmot", "cluster", "pqat", "cqat", "pcqat"}


# -- size ------------------------------------------------------------------------------------


def test_the_deflated_size_is_that_of_the_whole_file(tmp_path: Path) -> None:
    content = np.random.default_rng(0).integers(0, 16, 5 << 20, dtype=np.uint8).tobytes()
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    found = promises.deflated(path)
    assert found == pytest.approx(len(zlib.compress(content, 6)), rel=0.06)
    assert found < 0.6 * len(content)


# -- the techniques --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("technique", "promise"),
    [
        ("prune-tfmot", Promise(sparsity=0.5)),
        ("prune", Promise(sparsity=0.5)),
        ("prune-2x4", Promise(m_by_n=(2, 4))),
        ("cluster-tfmot", Promise(clusters=16)),
        ("cluster", Promise(clusters=16)),
        ("pqat", Promise(sparsity=0.5, depthwise=True)),
        ("cqat", Promise(clusters=16, depthwise=True)),
        ("pcqat", Promise(sparsity=0.5, clusters=16, depthwise=True)),
    ],
)
def test_stock_and_ours_promise_the_same(technique: str, promise: Promise) -> None:
    found: Any = registry()[technique]
    assert found.promise == promise
    assert not found.preserves  # what it computes is another function than the float model's
    assert found.int8 == ("qat" in technique)


def test_others_promise_nothing() -> None:
    for technique in ("float", "qat", "qat-tfmot", "ptq-int8"):
        assert registry()[technique].inspect(object(), {}) == {}
