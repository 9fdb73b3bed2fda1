"""Exactness of the quantization engine, model by model.

    python speed/exactness.py                              # all, both variants
    python speed/exactness.py --models ResNet50 VGG16 --variants notop
    python speed/exactness.py --json exactness.jsonl       # goes on where it stopped

For every model of `keras.applications`, with conditioned random weights and one smooth
picture: the largest difference that lowering makes, over the largest value of the output
(features at `notop`, logits at `top`); how many layers the plan leaves float; and whether
the quantized model is equal to the bit after being saved as `.keras` and as `.h5`.

Each model has a process of its own, so that its memory is given back; `--jobs 2` works on two
at a time. The exit code is 1 if any figure is not as it should be.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from measuring import Kept

HERE = Path(__file__).resolve().parent
ENGINE_TESTS = HERE.parent / "tests" / "optim" / "quantization"
sys.path[:0] = [str(HERE.parent), str(ENGINE_TESTS)]

LIMIT = 1e-4  # of the largest value


# -- in the process of a model: this module is a runtime, as `harness.execution.runtime` is --------


def check() -> None:
    """Nothing that could be missing."""


def preload() -> None:
    from harness.execution import runtime

    runtime.preload()


def run(request: Mapping[str, Any], report: Callable[[Mapping[str, Any]], None]) -> Any:
    import applications

    return applications.measure(request["model"], request["variant"])


# -- the benchmark ----------------------------------------------------------------------------


class Measuring:
    """Measures models, each in a process of its own, in as many threads as call it."""

    def __init__(self) -> None:
        self._threads = threading.local()
        self._runners: list[Any] = []

    def __call__(self, case: tuple[str, str]) -> dict[str, Any]:
        """Return the figures of a model; its last words, if it fails."""
        model, variant = case
        outcome = self._runner().run({"model": model, "variant": variant})
        if outcome.failure is None:
            return dict(outcome.metrics)
        failure = f"{outcome.failure.get('type')}: {outcome.failure.get('message')}"
        return {"model": model, "variant": variant, "failure": failure[:500]}

    def _runner(self) -> Any:
        from harness.execution.attempt import Limits
        from harness.execution.runner import Runner

        if not hasattr(self._threads, "runner"):
            self._threads.runner = Runner(Path(__file__).stem, Limits(seconds=1800))
            self._runners.append(self._threads.runner)
        return self._threads.runner

    def close(self) -> None:
        for runner in self._runners:
            runner.close()


def is_good(row: dict[str, Any]) -> bool:
    return (
        "failure" not in row
        and row["error"] <= LIMIT
        and row["floats"] == 0
        and row["finite"]
        and row["keras"]
        and row["h5"]
    )


def line(row: dict[str, Any]) -> str:
    head = f"{row['model']:20} {row['variant']:6}"
    if "failure" in row:
        return f"{head} failed: {row['failure']}"
    equal = {True: "equal", False: "DIFFERENT"}
    return (
        f"{head} {row['size']:4} px  lowered {row['error']:.1e}  "
        f"{row['layers']:5} layers, {row['floats']} float  "
        f".keras {equal[row['keras']]}  .h5 {equal[row['h5']]}  {row['seconds']:6.1f} s"
        + ("" if is_good(row) else "  <-")
    )


def measured(
    cases: list[tuple[str, str]], file: Path | None, jobs: int
) -> Iterator[dict[str, Any]]:
    """Yield the figures of each case in order, taken from the file or added to it."""
    kept = Kept(file, ("model", "variant"))
    # Runners import this module, and what it needs, in a process of their own.
    os.environ["PYTHONPATH"] = os.pathsep.join([*map(str, (HERE, ENGINE_TESTS)), *sys.path[:1]])
    measuring = Measuring()
    with ThreadPoolExecutor(jobs) as pool:
        missing = [case for case in cases if not kept.get(*case)]
        new = dict(zip(missing, (pool.submit(measuring, case) for case in missing), strict=True))
        try:
            for case in cases:
                if case in new:
                    kept.add(new[case].result())
                yield kept.rows[case]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            measuring.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", help="default: all 71")
    parser.add_argument("--variants", nargs="+", choices=["notop", "top"])
    parser.add_argument("--json", type=Path, help="JSON lines; models found there are done")
    parser.add_argument("--jobs", type=int, default=1, help="models at a time (default: 1)")
    given = parser.parse_args()

    import applications

    unknown = set(given.models or ()) - set(applications.NAMES)
    if unknown:
        parser.error(f"not in keras.applications: {', '.join(sorted(unknown))}")
    cases = [
        (name, variant)
        for name in given.models or applications.NAMES
        for variant in given.variants or applications.VARIANTS
    ]
    rows = []
    for number, row in enumerate(measured(cases, given.json, given.jobs), 1):
        rows.append(row)
        print(f"[{number}/{len(cases)}] {line(row)}", flush=True)
    errors = [row["error"] for row in rows if "error" in row]
    print(
        f"{sum(map(is_good, rows))} of {len(rows)} as they should be"
        + (f"; largest difference {max(errors):.1e} (limit {LIMIT:.0e})" if errors else "")
    )
    return 0 if all(map(is_good, rows)) else 1


if __name__ == "__main__":
    sys.exit(main())
