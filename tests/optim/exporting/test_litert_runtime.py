"""The runtime: inputs and outputs of any dtype, batches, latency, kernels."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import optim
from optim import litert
from optim.errors import ConfigError, MissingPackageError


def test_samples_beyond_the_batch_run_one_by_one(small: Any, images: np.ndarray) -> None:
    runtime = litert.Runtime(optim.export(small))
    (together,) = runtime.run(images)
    assert together.shape == (16, 3)
    single = np.concatenate([runtime.run([images[i : i + 1]])[0] for i in range(16)])
    np.testing.assert_array_equal(together, single)


def test_integer_ends_are_converted(small_qat: Any, images: np.ndarray) -> None:
    runtime = litert.Runtime(optim.export(small_qat, io_dtype="uint8"), threads=2)
    (details,) = runtime.inputs
    stored = details.quantize(images)
    assert stored.dtype == np.uint8
    np.testing.assert_allclose(
        details.dequantize(stored), np.clip(images, *limits(details)), atol=details.scale / 2 + 1e-6
    )
    (raw,) = runtime.run(stored, raw=True)
    assert raw.dtype == np.uint8
    (values,) = runtime.run(images)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, runtime.outputs[0].dequantize(raw))


def limits(details: litert.TensorDetails) -> tuple[float, float]:
    return tuple(details.scale * (x - details.zero_point) for x in (0, 255))  # type: ignore[return-value]


@pytest.mark.parametrize("kernels", ["default", "builtin", "reference"])
def test_kernels_agree_to_two_steps(small_qat: Any, images: np.ndarray, kernels: str) -> None:
    content = optim.export(small_qat, io_dtype="int8")
    (one,) = litert.Runtime(content, kernels=kernels).run(images, raw=True)
    (other,) = litert.Runtime(content).run(images, raw=True)
    assert np.max(np.abs(one.astype(int) - other.astype(int))) <= 2


def test_details_of_tensors_and_operators(small_qat: Any, images: np.ndarray) -> None:
    runtime = litert.Runtime(optim.export(small_qat), kernels="builtin", keep_tensors=True)
    runtime.run(images[:1])
    assert {o["op_name"] for o in runtime.operators()} >= {"CONV_2D", "MEAN"}
    conv = next(t for t in runtime.tensors() if list(t["shape"]) == [1, 6, 6, 6])
    assert runtime.tensor(conv["index"]).dtype == np.int8


def test_latency(small: Any) -> None:
    measured = litert.Runtime(optim.export(small), threads=1).latency(repeats=9, warmup=1)
    assert 0 < measured.best <= measured.median <= measured.p90
    assert measured.repeats == 9


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of LiteRT
def test_what_makes_no_sense(small: Any, images: np.ndarray) -> None:
    content = optim.export(small)
    with pytest.raises(ConfigError, match="kernels"):
        litert.Runtime(content, kernels="fast")
    with pytest.raises(ConfigError, match="threads"):
        litert.Runtime(content, threads=0)
    with pytest.raises(ConfigError, match="delegate"):
        litert.Runtime(content, delegates=["libnone.so"])
    runtime = litert.Runtime(content)
    with pytest.raises(ConfigError, match="has the shape"):
        runtime.run(images[..., :3])
    with pytest.raises(ConfigError, match="1 input"):
        runtime.run([images, images])
    with pytest.raises(ConfigError, match=r"\['image'\]"):
        runtime.run({"picture": images})
    with pytest.raises(ConfigError, match="repeats"):
        runtime.latency(repeats=0)


def test_a_missing_package_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, *args: Any) -> Any:
        if name.startswith("ai_edge_litert"):
            raise ImportError(name)
        return original(name, *args)

    original = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", refuse)
    litert.schema.cache_clear()
    try:
        with pytest.raises(MissingPackageError, match="pip install ai-edge-litert"):
            optim.verify(b"....TFL3" + bytes(40))
    finally:
        litert.schema.cache_clear()
