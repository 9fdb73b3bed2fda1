"""Stage ``run``: the file in the LiteRT runtime, what it is made of, and how fast it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.stages import latency
from harness.stages.workbench import Bench, FlexOpError, FloatIslandError, NotFiniteError
from harness.vocabulary import CONTROL

if TYPE_CHECKING:
    from optim.litert import Runtime
    from optim.verification import Report

#: So many of the float islands are named.
NAMED_ISLANDS = 20

#: Threads that files run on: with more, a latency is that of how they are shared.
THREADS = 1


def run(bench: Bench) -> None:
    import numpy as np

    from optim import litert, verify

    file = litert.opened(bench.file)
    report = bench.report = verify(file)
    bench.metrics["int8_ops"] = report.int8_ops
    bench.metrics["int8_macs"] = report.int8_macs
    bench.metrics["float_islands"] = len(report.islands)
    if report.islands:
        bench.metrics["islands"] = [str(one) for one in report.islands[:NAMED_ISLANDS]]
    if report.flex or report.custom:
        names = ", ".join({**report.flex, **report.custom})
        raise FlexOpError(f"the file needs operations that LiteRT does not have: {names}")
    runtime = litert.Runtime(file, threads=THREADS)
    bench.found = runtime.run(bench.samples)
    if not all(np.isfinite(one).all() for one in bench.found):
        raise NotFiniteError("the output of the file is not finite")
    time(bench, runtime, operations(file.root))
    del runtime
    bench.metrics.update(bench.technique.inspect(bench.file, bench.metrics))
    compare_sizes(bench.metrics)
    if bench.technique.int8:
        check_int8(report)


def time(bench: Bench, runtime: Runtime, done: list[tuple[str, str]]) -> None:
    """Take the times of the file, in turns with the float model's.

    Args:
      runtime: with the file.
      done: the operations of the file.
    """
    from optim import litert

    base, equal = None, False
    path = None if bench.technique.id == CONTROL else bench.foundation.float_file(bench)
    if path is not None:
        bench.metrics["float_file_bytes"] = path.stat().st_size
        file = litert.opened(path)
        base = litert.Runtime(file, threads=THREADS)
        equal = done == operations(file.root)
    one = bench.first_sample()
    for fed in (runtime, base):
        if fed is not None:
            fed.run(one)
    bench.metrics["latency_load"] = latency.load()
    bench.metrics.update(latency.figures(runtime, base, equal, THREADS))


def operations(model: Any) -> list[tuple[str, str]]:
    """Return what a file does: each operation and the type of its output, in their order.

    Args:
      model: its root table, from `litert.opened`.
    """
    from optim import litert

    graph = model.Subgraphs(0)
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    kinds = [litert.operator_name(max(c.BuiltinCode(), c.DeprecatedBuiltinCode())) for c in codes]
    found = []
    for i in range(graph.OperatorsLength()):
        operation = graph.Operators(i)
        output = graph.Tensors(operation.Outputs(0))
        found.append((kinds[operation.OpcodeIndex()], litert.dtype_name(output.Type())))
    return found


#: Ratio -> the metric it is of, over the size of the float model's file.
SIZES = {"file_ratio": "file_bytes", "deflated_ratio": "deflated_bytes"}


def compare_sizes(metrics: dict[str, Any]) -> None:
    """Add what the file's sizes are of the float model's file, where there is one."""
    base = metrics.get("float_file_bytes")
    if base:
        metrics |= {name: metrics[of] / base for name, of in SIZES.items() if of in metrics}


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
