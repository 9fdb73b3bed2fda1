"""Pruning and clustering, kept through quantization-aware training and in the int8 file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.techniques.promises import Promise
from harness.techniques.quantization import Qat
from harness.techniques.treated import Treated


class Preserved(Treated, Qat):
    """What they share: the kernels are made small at once, and then trained in int8."""

    #: It gives up weights besides: no answer to one that does not.
    answers: tuple[str, ...] = ()

    int8 = True
    parity: Mapping[str, float] = {"simulation": 20}
    components = ("calibration", "clustering", "loading", "pruning", "quantization", "sparsity")

    #: What `optim.quantize_model` is to preserve.
    preserve: str

    def transform(self, model: Any) -> Any:
        from optim import quantize_model

        return quantize_model(self.reduced(model), preserve=self.preserve)

    def calibrate(self, model: Any, data: Any) -> None:
        """Set the ranges with the least squared error.

        A deep network amplifies the smallest difference up to its own quantization noise: a
        thousandth of a pixel takes what is made of EfficientNetV2B3 20.4 dB away from itself.
        So only less noise brings file and simulation closer, by half a dB here.
        """
        from optim import calibrate

        calibrate(model, data, method="mse")

    def reduced(self, model: Any) -> Any:
        """Return the model with fewer weights, or fewer different ones."""
        from optim import cluster_weights, sparsify, uncluster

        promise = self.promise
        if promise.sparsity:
            model = sparsify(model, sparsity=promise.sparsity, depthwise=promise.depthwise)
        if promise.clusters:
            zeros = bool(promise.sparsity)
            model = uncluster(
                cluster_weights(
                    model, promise.clusters, preserve_sparsity=zeros, depthwise=promise.depthwise
                )
            )
        return model


class Pqat(Preserved):
    """Half of the weights stay zero."""

    id = "pqat"
    title = 'optim.quantize_model(optim.sparsify(model), preserve="sparsity")'
    preserve = "sparsity"
    promise = Promise(sparsity=0.5, depthwise=True)


class Cqat(Preserved):
    """Each kernel keeps 16 values."""

    id = "cqat"
    title = 'optim.quantize_model(clustered model, preserve="clusters")'
    preserve = "clusters"
    promise = Promise(clusters=16, depthwise=True)


class Pcqat(Cqat):
    """Half of the weights stay zero, and the others keep 15 values."""

    id = "pcqat"
    title = 'optim.quantize_model(sparse and clustered model, preserve="both")'
    preserve = "both"
    promise = Promise(sparsity=0.5, clusters=16, depthwise=True)
