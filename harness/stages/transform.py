"""Stage ``transform``: apply the technique."""

from __future__ import annotations

from harness.stages.workbench import Bench


def run(bench: Bench) -> None:
    bench.model = bench.technique.transform(bench.model)
    bench.metrics["transformed_layers"] = sum(
        1 for _ in bench.model._flatten_layers(include_self=False)
    )
