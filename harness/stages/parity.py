"""Stage ``parity``: does the file compute what the models compute?"""

from __future__ import annotations

import math

from harness.stages import agreement
from harness.stages.workbench import Bench, OutputsDifferError

#: The references, and what a message calls them.
NAMES = {"simulation": "the exported Keras model", "float": "the float model"}


def run(bench: Bench) -> None:
    """Compare the file's outputs with the exported model's and with the float model's.

    Of several outputs the worst counts. The technique says how close they have to be
    (``Technique.parity``).
    """
    from optim.verification import compare_outputs

    references = {"simulation": bench.simulated}
    if bench.technique.preserves:
        references["float"] = bench.expected
    rows = compare_outputs(bench.report.outputs, bench.found, references, bench.report.steps)
    metrics = bench.metrics
    reached = {name: min(r.sqnr for r in rows if r.reference == name) for name in references}
    for name, value in reached.items():
        # JSON has no infinity.
        metrics[f"sqnr_{name}_db"] = value if math.isfinite(value) else str(value)
    steps = [r.max_steps for r in rows if r.reference == "simulation" and r.max_steps is not None]
    if steps:
        metrics["max_lsb"] = max(steps)
    agreements = [r.top1 for r in rows if r.reference == "float" and r.top1 is not None]
    if agreements and len(bench.expected) == 1:
        metrics["top1_agreement"] = agreements[0]
        metrics["top1_samples"] = bench.options.samples
        metrics.update(agreement.measure(bench))
    for name, least in bench.technique.parity.items():
        if not reached[name] >= least:
            raise OutputsDifferError(
                f"the file reaches {reached[name]:.1f} dB SQNR against {NAMES[name]}, "
                f"of {least:g} dB wanted"
            )
