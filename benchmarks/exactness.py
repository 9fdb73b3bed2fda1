"""Exactness of the quantization engine, model by model.

    python benchmarks/exactness.py                              # all, both variants
    python benchmarks/exactness.py --models ResNet50 VGG16 --variants notop
    python benchmarks/exactness.py --json exactness.jsonl       # goes on where it stopped

For every model of `keras.applications`, with conditioned random weights and one smooth
picture: the largest difference that lowering makes, over the largest value of the output
(features at `notop`, logits at `top`); how many layers the plan leaves float; and whether
the quantized model is equal to the bit after being saved as `.keras` and as `.h5`.

Each model has a process of its own, so that its memory is given back. The exit code is 1
if any figure is not as it should be.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests" / "engine")]

LIMIT = 1e-4  # of the largest value
_ONE = "--one"


def in_a_process(name: str, variant: str) -> dict[str, Any]:
    """Measure one model in a process of its own; its last words, if it fails."""
    command = [sys.executable, __file__, _ONE, name, variant]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return dict(json.loads(done.stdout.splitlines()[-1]))
    # Errors of Keras have many lines, and the first of them says what is wrong.
    words = done.stderr.rpartition("Traceback (most recent call last):")[2].splitlines()
    errors = [text for text in words if text and not text.startswith((" ", "Call arg"))]
    failure = " ".join(errors)[:500] or f"exit code {done.returncode}"
    return {"model": name, "variant": variant, "failure": failure}


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


def known(path: Path | None) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows of an earlier run that need not be measured again: those that did not fail."""
    if path is None or not path.exists():
        return {}
    rows = [json.loads(text) for text in path.read_text().splitlines()]
    return {(row["model"], row["variant"]): row for row in rows if "failure" not in row}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", help="default: all 71")
    parser.add_argument("--variants", nargs="+", choices=["notop", "top"])
    parser.add_argument("--json", type=Path, help="JSON lines; models found there are done")
    parser.add_argument(_ONE, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()

    import applications

    if given.one:
        print(json.dumps(applications.measure(*given.one)))
        return 0
    unknown = set(given.models or ()) - set(applications.NAMES)
    if unknown:
        parser.error(f"not in keras.applications: {', '.join(sorted(unknown))}")
    cases = [
        (name, variant)
        for name in given.models or applications.NAMES
        for variant in given.variants or applications.VARIANTS
    ]
    earlier = known(given.json)
    rows = []
    for number, case in enumerate(cases, 1):
        row = earlier.get(case)
        if row is None:
            row = in_a_process(*case)
            if given.json:
                with given.json.open("a") as file:
                    file.write(json.dumps(row) + "\n")
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
