"""Inputs and outputs of a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from optim.litert.damage import damage_refused
from optim.litert.flatbuffer import dtype_name, parse


@dataclass(frozen=True)
class TensorDetails:
    """An input or output of a file.

    Attributes:
        name: as the signature names it; the tensor's own name if there is no signature.
        index: number of the tensor.
        shape: sizes, -1 for those that are open.
        dtype: numpy's name: "float32", "int8", ...
        scale, zero_point: `value = scale * (stored - zero_point)`; 0 if not quantized.
    """

    name: str
    index: int
    shape: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0

    def quantize(self, values: np.ndarray) -> np.ndarray:
        """Return float values as the tensor stores them, rounded and clipped."""
        dtype = np.dtype(self.dtype)
        if not self.scale or not np.issubdtype(values.dtype, np.floating):
            return values.astype(dtype, copy=False)
        limits = np.iinfo(dtype)
        steps = np.round(values / self.scale) + self.zero_point
        return np.clip(steps, limits.min, limits.max).astype(dtype)

    def dequantize(self, stored: np.ndarray) -> np.ndarray:
        """Return stored values as float32; values that are not quantized as they are."""
        if not self.scale or not np.issubdtype(stored.dtype, np.integer):
            return stored
        return (self.scale * (stored.astype(np.float32) - self.zero_point)).astype(np.float32)


@damage_refused()
def ends(source: Any) -> tuple[list[TensorDetails], list[TensorDetails]]:
    """Return inputs and outputs of a file, without running it.

    Args:
        source: its content, or its root table from `parse`.

    Raises:
        ModelFileError: not a LiteRT model, or a damaged one.
    """
    model = source if hasattr(source, "SubgraphsLength") else parse(source)
    graph = model.Subgraphs(0)
    names = _signature_names(model)

    def details(index: int) -> TensorDetails:
        tensor = graph.Tensors(index)
        shape = tensor.ShapeSignatureAsNumpy()
        shape = tensor.ShapeAsNumpy() if isinstance(shape, int) else shape
        q = tensor.Quantization()
        known = q is not None and q.ScaleLength() == 1
        return TensorDetails(
            names.get(index, (tensor.Name() or b"").decode()),
            index,
            () if isinstance(shape, int) else tuple(int(s) for s in shape),
            dtype_name(tensor.Type()),
            float(q.Scale(0)) if known else 0.0,
            int(q.ZeroPoint(0)) if known else 0,
        )

    return (
        [details(graph.Inputs(i)) for i in range(graph.InputsLength())],
        [details(graph.Outputs(i)) for i in range(graph.OutputsLength())],
    )


def _signature_names(model: Any) -> dict[int, str]:
    """Tensor number -> name in the first signature."""
    if not model.SignatureDefsLength():
        return {}
    signature = model.SignatureDefs(0)
    maps = [signature.Inputs(i) for i in range(signature.InputsLength())]
    maps += [signature.Outputs(i) for i in range(signature.OutputsLength())]
    return {m.TensorIndex(): m.Name().decode() for m in maps}
