"""What the harness adds: per case, and over the bare work on ten applications.

Two measurements in one run:

1. A matrix of cases that do nothing: wall and CPU time per case, under ``harness run -n N`` and
   under ``pytest -n N`` in turns.
2. Ten real applications under four techniques up to ``transform``: the harness's wall time
   times its workers, against the CPU time of a plain script that imports TensorFlow once
   and builds and transforms the same models one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
TESTS = PROJECT / "tests" / "harness"

APPLICATIONS = (
    "MobileNet", "MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "DenseNet121",
    "ResNet50", "ResNet50V2", "RegNetX002", "Xception", "VGG16",
)  # fmt: skip
TECHNIQUES = ("qat-tfmot", "qat-annotate", "prune-tfmot", "prune")

BARE = """
import json, sys, time
import optim
import tensorflow as tf, tf_keras, tensorflow_model_optimization
from harness import techniques
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
spent = 0.0
for name in sys.argv[1].split(","):
    for technique in sys.argv[2].split(","):
        began = time.process_time()
        constructor = getattr(tf_keras.applications, name)
        model = constructor(weights=None, include_top=False, input_shape=(None, None, 3))
        try:
            techniques.registry()[technique].transform(model)
        except Exception:
            pass  # a case that fails in the transform costs what it costs until then
        spent += time.process_time() - began
        tf_keras.backend.clear_session()
print(json.dumps(spent))
"""


#: The two ways to run the matrix, as what follows the interpreter.
RUN = ("-m", "harness", "run")
PYTEST = ("-m", "pytest", "-q", str(PROJECT / "harness" / "test_matrix.py"))


def harness(
    arguments: list[str], environment: dict[str, str], workers: int, way: tuple[str, ...] = RUN
) -> tuple[float, float, int]:
    """Run the matrix; return its wall and CPU seconds and the number of its cases."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results")
        command = [
            sys.executable, *way, "-n", str(workers), "--fresh", f"--results={results}",
            f"--expectations={folder}/none.txt", *arguments,
        ]  # fmt: skip
        began, before = time.perf_counter(), os.times()
        subprocess.run(command, env=environment, cwd=folder, capture_output=True, check=False)
        wall, after = time.perf_counter() - began, os.times()
        cpu = sum(after[2:4]) - sum(before[2:4])
        return wall, cpu, len((results / "results.jsonl").read_text().splitlines())


def idle(workers: int, rows: int, way: tuple[str, ...]) -> tuple[float, float, int]:
    """Measure a matrix of cases that do nothing."""
    sys.path.insert(0, str(TESTS))
    from workbench import FAKES, write_package

    with tempfile.TemporaryDirectory() as folder:
        write_package(Path(folder), {"Pass": rows})
        environment = {
            **os.environ,
            "KERAS_MODULE": "fakekeras",
            "PYTHONPATH": os.pathsep.join([folder, str(FAKES)]),
            "XDG_CACHE_HOME": folder,
        }
        return harness(["--runtime=fake_runtime"], environment, workers, way)


def real(workers: int, applications: str, techniques: str) -> tuple[float, float, int]:
    """Measure the harness and the bare work on the same applications."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    wall, _, count = harness(
        [f"--applications={applications}", f"--techniques={techniques}", "--until=transform"],
        environment,
        workers,
    )
    done = subprocess.run(
        [sys.executable, "-c", BARE, applications, techniques],
        env=environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return wall, float(json.loads(done.stdout.splitlines()[-1])), count


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rows", type=int, default=40, help="fake applications")
    parser.add_argument("--turns", type=int, default=2, help="of each way to run them")
    parser.add_argument("--idle", action="store_true", help="only the cases that do nothing")
    parser.add_argument("--applications", default=",".join(APPLICATIONS))
    parser.add_argument("--techniques", default=",".join(TECHNIQUES))
    given = parser.parse_args()

    ways = {"harness run": RUN, "pytest": PYTEST}
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.turns):
        for name, way in ways.items():
            wall, cpu, count = idle(given.workers, given.rows, way)
            spent[name].append(cpu / count)
            each = f"{1000 * wall / count:.0f} ms per case, {1000 * cpu / count:.0f} of CPU"
            print(f"idle cases, {name}: {count} in {wall:.1f} s, {given.workers} workers, {each}")
    ratio = min(spent["harness run"]) / min(spent["pytest"])
    print(f"ratio of CPU, harness run to pytest: {ratio:.2f} (target: at most 1)")
    if given.idle:
        return 0
    wall, bare, count = real(given.workers, given.applications, given.techniques)
    print(f"real cases: {count} up to transform; harness {wall:.1f} s x {given.workers} workers, "
          f"bare build + transform {bare:.1f} s of CPU")  # fmt: skip
    print(f"ratio: {wall * given.workers / bare:.2f} (target: at most 1.25)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
