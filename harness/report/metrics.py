"""The numbers a case may carry, in one table: what each is, and how it is read.

Page, CSV, summaries and the documentation take titles, units, order and direction from
here. A metric that is not here is shown too, by what its name tells.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.report import order, text

#: The groups of a case's details, in their order.
EXPORT, NUMBERS, COST, OTHER = GROUPS = ("Export", "Numbers", "Cost", "Other")

HIGHER, LOWER, NEUTRAL = "higher", "lower", "neutral"

LINEAR, LOG = "linear", "log"

#: Logarithmic where the values span decades; for metrics of which nothing is known.
AUTO = "auto"


@dataclass(frozen=True)
class Metric:
    """One number of a case.

    Attributes:
      name: its key in ``record.metrics``, its column in the CSV and its filter token.
      title: what a reader calls it.
      group: where a case's details show it.
      unit: of the number as the record holds it.
      format: how it is written for a reader, one of ``text.FORMATS``.
      better: ``higher``, ``lower`` or ``neutral``.
      scale: of its colours: ``linear``, ``log`` or ``auto``.
      says: one sentence that explains it.
      most: where its colours end, if what is beyond makes no difference any more.
      doubt: the metric that says, where a case has it, that this one is not to be trusted.
      short: what a reader may call it in a filter.
      within: `RUN` where values stand on one scale only if they are of one run on one machine.
      needs: the metric that a case has to have beside this one for it to be compared at all.
    """

    name: str
    title: str
    group: str
    unit: str
    format: str
    better: str
    scale: str
    says: str
    most: float | None = None
    doubt: str = ""
    short: tuple[str, ...] = ()
    within: str = ""
    needs: str = ""


#: Values of other runs, or of other machines, are not ranked together with these.
RUN = "run"

#: What only a record has whose latency was taken in turns with that of the float model's file.
IN_TURNS = "float_latency_ms"

#: Of a case whose latencies vary too much (see ``harness.stages.latency``).
NOISY = "latency_noisy"

#: In the order of every report. ``docs/metrics.md`` has a section on each.
VOCABULARY: tuple[Metric, ...] = (
    Metric("int8_ops", "int8 operations", EXPORT, "share of 1", "share", HIGHER, LINEAR,
           "Share of the file's operations that run in integers.", short=("ops",)),
    Metric("int8_macs", "int8 MACs", EXPORT, "share of 1", "share", HIGHER, LINEAR,
           "Share of the multiply-accumulates that run in integers.", short=("int8", "macs")),
    Metric("float_islands", "float islands", EXPORT, "count", "number", LOWER, LINEAR,
           "Places between input and output where the file goes to float and back.",
           short=("islands",)),
    Metric("sparsity", "sparsity", EXPORT, "share of 1", "share", NEUTRAL, LINEAR,
           "Share of the kernels' weights that are zero."),
    Metric("pattern", "m-by-n groups", EXPORT, "share of 1", "share", HIGHER, LINEAR,
           "Share of the groups of weights that have the zeros of their m-by-n pattern."),
    Metric("unique_weights", "different weights", EXPORT, "count", "number", LOWER, LOG,
           "Most different values that a clustered kernel has.", short=("unique",)),
    Metric("sqnr_simulation_db", "SQNR vs. simulation", NUMBERS, "dB", "decibel", HIGHER,
           LINEAR, "Signal to noise of the file against the fake-quant model it is made of.", 60,
           short=("simulation",)),
    Metric("sqnr_float_db", "SQNR vs. float", NUMBERS, "dB", "decibel", HIGHER, LINEAR,
           "Signal to noise of the file against the float model.", 60, short=("sqnr",)),
    Metric("max_lsb", "largest difference", NUMBERS, "LSB", "steps", LOWER, LOG,
           "Largest difference between file and simulation, in steps of the output.",
           short=("lsb",)),
    Metric("top1_agreement", "top-1 agreement", NUMBERS, "share of 1", "share", HIGHER, LINEAR,
           "Share of the inputs for which file and float model name the same class first.",
           short=("top1", "agreement")),
    Metric("save_difference", "difference after saving", NUMBERS, "relative", "number", LOWER, LOG,
           "Largest difference of the outputs after saving and loading, over the largest output."),
    Metric("file_bytes", "file size", COST, "bytes", "size", LOWER, LOG,
           "Size of the exported file.", short=("size",)),
    Metric("file_ratio", "size vs. float", COST, "ratio", "ratio", LOWER, LINEAR,
           "Size of the exported file over that of the float model's file."),
    Metric("deflated_bytes", "compressed size", COST, "bytes", "size", LOWER, LOG,
           "Size of the exported file after compression (DEFLATE).",
           short=("deflated", "compressed")),
    Metric("deflated_ratio", "compressed size vs. float", COST, "ratio", "ratio", LOWER, LINEAR,
           "Size of the compressed file over that of the float model's file, not compressed."),
    Metric("latency_ratio", "latency vs. float", COST, "ratio", "ratio", LOWER, LINEAR,
           "Latency of the file over that of the float model's file.", doubt=NOISY,
           short=("speed",), needs=IN_TURNS),
    Metric("latency_ms", "latency", COST, "ms", "milliseconds", LOWER, LOG,
           "Median time of one run of the file on one input.", doubt=NOISY,
           short=("latency",), within=RUN),
    Metric("latency_load", "load while timed", COST, "per processor", "ratio", NEUTRAL, LINEAR,
           "Processes that wanted a processor, for each one, in the minute before."),
    Metric("latency_repeats", "runs measured", COST, "count", "number", NEUTRAL, LOG,
           "Runs that the latency is the median of."),
    Metric("parameters", "parameters", COST, "count", "number", NEUTRAL, LOG,
           "Number of weights of the application, before the technique.",
           short=("params", "weights")),
    Metric("layers", "layers", COST, "count", "number", NEUTRAL, LOG,
           "Number of layers of the application, before the technique."),
    Metric("seconds", "time", COST, "s", "time", LOWER, LOG,
           "Time the case took by the clock, all stages together.", short=("time",), within=RUN),
    Metric("cpu_seconds", "CPU time", COST, "s", "time", LOWER, LOG,
           "Processor time of the case, all threads together.", short=("cpu",), within=RUN),
    Metric("peak_rss_bytes", "peak memory", COST, "bytes", "size", LOWER, LOG,
           "Most memory that the case's process held at once.", short=("memory", "peak")),
)  # fmt: skip

_KNOWN = {metric.name: metric for metric in VOCABULARY}

NAMES: tuple[str, ...] = tuple(_KNOWN)

#: Those that a record holds beside its metrics.
OWN: tuple[str, ...] = ("seconds", "cpu_seconds", "peak_rss_bytes")

#: What a summary tells of each technique; the rest is in the CSV.
SUMMARISED: tuple[str, ...] = (
    "int8_ops", "int8_macs", "float_islands", "sparsity", "unique_weights",
    "sqnr_simulation_db", "sqnr_float_db", "max_lsb", "top1_agreement", "file_bytes", "file_ratio",
    "deflated_ratio", "latency_ms", "latency_ratio",
)  # fmt: skip

#: What a terminal has room for.
HEADLINES: tuple[str, ...] = (
    "int8_macs", "sparsity", "sqnr_float_db", "top1_agreement", "file_ratio", "latency_ratio",
)  # fmt: skip


def about(name: str) -> Metric:
    """What is known of the metric called ``name``; of a foreign one, what its name tells."""
    if name in _KNOWN:
        return _KNOWN[name]
    format_ = text.format_of(name)
    within = RUN if format_ in _TIMES else ""
    return Metric(name, text.spoken(name), OTHER, "", format_, NEUTRAL, AUTO, "", within=within)


#: Formats of what depends on the machine and on what else it does.
_TIMES = ("time", "milliseconds")


def ordered(names: Iterable[str]) -> list[str]:
    """The distinct ``names``: the vocabulary's in its order, then the others by name."""
    return order.ranked(names, NAMES)


def number(value: Any) -> float | None:
    """The value as a number, or None. What JSON cannot hold may come as ``"inf"``."""
    if isinstance(value, str) and value in _INFINITE:
        return _INFINITE[value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return None if math.isnan(value) else value


def comparable(name: str, found: Mapping[str, Any]) -> float | None:
    """The number called ``name`` of a case's metrics, if it may be put beside those of others."""
    needs = about(name).needs
    return None if needs and found.get(needs) is None else number(found.get(name))


_INFINITE = {"inf": math.inf, "-inf": -math.inf, "Infinity": math.inf, "-Infinity": -math.inf}


def written(name: str, value: Any) -> str:
    """Write a value of the metric called ``name`` for a reader, with its unit."""
    found = number(value)
    if found is None:
        return text.line(str(value))
    return text.FORMATS[about(name).format](found)
