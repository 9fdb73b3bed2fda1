"""The modules with classes that a file may name: each registers its own, here is only where."""

from __future__ import annotations

from importlib import import_module

MODULES = (
    "optim.annotation.configs",
    "optim.annotation.tfmot_repairs",
    "optim.clustering.wrapper",
    "optim.keras3.layers",
    "optim.pruning.wrapper",
    "optim.quantization.api",
    "optim.quantization.building.untraced",
    "optim.quantization.recurrent.wrapper",
)


def import_all() -> None:
    """Import them."""
    for module in MODULES:
        import_module(module)
