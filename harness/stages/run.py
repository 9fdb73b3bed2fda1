"""Stage ``run``: the file in the LiteRT runtime, what it is made of, and how fast it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.stages.bench import Bench, FlexOpError, FloatIslandError, NotFiniteError

if TYPE_CHECKING:
    from optim.verification import Report

#: Inferences that the latency is the median of; a tenth as many come before, to warm up.
REPEATS = 50

#: Seconds that measuring may take: a slower file is run less often, three times at least.
MOST_SECONDS = 5.0


def run(bench: Bench) -> None:
    import numpy as np

    from optim import litert, verify

    report = bench.report = verify(bench.file)
    bench.metrics["int8_ops"] = report.int8_ops
    bench.metrics["int8_macs"] = report.int8_macs
    bench.metrics["float_islands"] = len(report.islands)
    if report.flex or report.custom:
        names = ", ".join({**report.flex, **report.custom})
        raise FlexOpError(f"the file needs operations that LiteRT does not have: {names}")
    runtime = litert.Runtime(bench.file, threads=1)
    bench.found = runtime.run(bench.samples)
    if not all(np.isfinite(one).all() for one in bench.found):
        raise NotFiniteError("the output of the file is not finite")
    once = runtime.latency(repeats=1, warmup=1).median / 1000
    repeats = max(3, min(REPEATS, int(MOST_SECONDS / max(once, 1e-6))))
    latency = runtime.latency(repeats, warmup=repeats // 10)
    bench.metrics["latency_ms"] = latency.median
    bench.metrics["latency_repeats"] = latency.repeats
    bench.metrics.update(bench.technique.inspect(bench.file, bench.metrics))
    if bench.technique.int8:
        check_int8(report)


def check_int8(report: Report) -> None:
    """See that nothing between input and output leaves int8.

    Raises:
      FloatIslandError: something does.
    """
    if report.islands:
        raise FloatIslandError(
            f"{len(report.islands)} float islands between input and output; the first: "
            f"{report.islands[0]}"
        )
    if report.macs and report.int8_macs < 1:
        raise FloatIslandError(
            f"{1 - report.int8_macs:.2%} of the multiply-accumulates do not run in int8"
        )
