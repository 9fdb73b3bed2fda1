"""What runs a case: the real one, with TensorFlow.

A runtime is a module with these functions, named by ``--runtime``. The harness itself is
tested with one that needs no TensorFlow.

- ``check()`` runs in the parent before anything starts and raises a UsageError with one
  sentence and the command that fixes it.
- ``preload()`` runs once per host process: the expensive imports.
- ``run(request, report)`` runs in a child of the host, and returns the metrics.
- ``group(request)``, if there is one, names the requests that may share a child (see
  ``harness.execution.host``); without it each has a process of its own.
- ``kept_bytes()``, if there is one, says how much memory it keeps for the next case.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness import techniques
from harness.evidence.keep import keep
from harness.execution import convolutions, variables
from harness.matrix.keras_package import (
    DEFAULT_KERAS_MODULE,
    distribution_version,
    keras_module,
)
from harness.stages import Stage, numerics, options_from, stage, up_to
from harness.stages.foundation import Foundation
from harness.stages.workbench import Bench
from harness.vocabulary import KERAS_3, UsageError

Report = Callable[[Mapping[str, Any]], None]

#: How many objects are made between two searches for young garbage.
_NEW_OBJECTS = 10_000

_PACKAGES = {
    "tensorflow": "tensorflow",
    "tf_keras": "tf-keras",
    "tensorflow_model_optimization": "tensorflow-model-optimization",
}


def check() -> None:
    """Raise a UsageError if the cases cannot run in this environment."""
    if keras_module() not in (DEFAULT_KERAS_MODULE, KERAS_3):
        raise UsageError(
            f"KERAS_MODULE={keras_module()}: tensorflow-model-optimization works with tf_keras "
            "only; unset KERAS_MODULE, or set KERAS_MODULE=tf_keras, or KERAS_MODULE=keras for "
            "the applications of Keras 3"
        )
    if keras_module() == KERAS_3 and distribution_version(KERAS_3).startswith(("1.", "2.")):
        raise UsageError(
            f"KERAS_MODULE=keras: Keras {distribution_version(KERAS_3)} is installed, and rows of "
            "Keras 3 need Keras 3: `pip install 'keras>=3'`"
        )
    missing = [pip for name, pip in _PACKAGES.items() if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"{', '.join(missing)} not installed: `make venv`, "
            f"or `pip install -c constraints.txt {' '.join(missing)}`"
        )


#: What a case would import of ours: once per host, not once per process.
_OURS_OF_CASES = (
    "optim.annotation.recipe",
    "optim.clustering.api",
    "optim.exporting.api",
    "optim.pruning.api",
    "optim.pruning.callbacks",
    "optim.quantization.options",
    "optim.sparsity.keras_model",
    "optim.sparsity.litert_file",
    "optim.sparsity.report",
    "optim.verification.api",
)


def preload() -> None:
    """Import what every case needs; nothing here may start a thread pool or open a device."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    numerics.tell(numerics.MATRIX)
    # Which constructor to call is in the request. What is chosen here is what `optim` works
    # with, and what Keras 3 does.
    os.environ.pop("KERAS_MODULE", None)
    os.environ["KERAS_BACKEND"] = "tensorflow"
    # Choosing the Keras module comes before TensorFlow.
    import optim  # isort:skip
    import tensorflow
    import tensorflow_model_optimization
    import tf_keras.applications

    for name in _OURS_OF_CASES:
        importlib.import_module(name)
    optim.import_registering()
    techniques.registry()
    variables.share_kernels()
    convolutions.share_compiled()
    from tensorflow.python.eager import context

    if context.context_safe() is not None and context.context()._initialized:
        raise RuntimeError(
            "an import has started TensorFlow's runtime (it made a tensor, a variable or a "
            "model at module level), and a process that has started it cannot be forked; "
            f"imported beside TensorFlow: {', '.join(sorted(_ours()))}"
        )
    del tensorflow, tensorflow_model_optimization, tf_keras
    # What the imports made stays for good: looking through it again and again, in search of
    # garbage, is a tenth of the work of a case.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)


def _ours() -> list[str]:
    """Return the modules that techniques brought in."""
    import sys

    plugins = {type(t).__module__ for t in techniques.registry().values()}
    return [m for m in sys.modules if m in plugins or m.startswith("optim.")]


#: What decides how an application is built: requests that agree in it share a process.
_SHARED = ("module", "function", "variant", "options", "until", "threads")


def group(request: Mapping[str, Any]) -> str:
    """Return the same for requests that may follow one another in one process."""
    return json.dumps([request[name] for name in _SHARED], sort_keys=True)


#: Of the last application that this process has built.
_foundation: Foundation | None = None


def foundation_of(key: tuple[Any, ...], folder: Path) -> Foundation:
    """Return what the cases of an application have in common in this process.

    Args:
      key: of all that decides how the application is built; another means another foundation.
      folder: for files that last as long as the process.
    """
    global _foundation
    if _foundation is None or _foundation.key != key:
        _foundation = Foundation(key, folder)
    return _foundation


def kept_bytes() -> int:
    """Return the size of what is kept for the next case of the application."""
    return _foundation.kept_bytes if _foundation is not None else 0


def run(request: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    """Run one case stage by stage; an exception means the stage failed."""
    set_up(request["threads"])
    technique = techniques.registry()[request["technique"]]
    stages = up_to(request["until"], technique.stages, request["module"])
    bench = Bench(
        module=request["module"],
        function=request["function"],
        variant=request["variant"],
        technique=technique,
        options=options_from(request["options"]),
        scratch=Path(request["scratch"]),
        foundation=foundation_of((group(request), "export" in stages), Path(request["shared"])),
        stages=stages,
    )
    kept = Path(request["keep"]) if request.get("keep") else None
    go_through(bench, report, kept=kept)
    return bench.metrics


def set_up(threads: int) -> None:
    """Prepare a process for a case, before TensorFlow has computed anything."""
    import tensorflow as tf

    _bound_memory(_ROOMY)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def go_through(
    bench: Bench,
    report: Report,
    stage: Callable[[str], Stage] = stage,
    kept: Path | None = None,
) -> None:
    """Go through the stages of a case, and let go of what it worked with.

    Args:
      bench: with the case.
      report: told of each stage.
      stage: returns the function that runs one.
      kept: folder for what the case leaves to be looked at.
    """
    try:
        _go(bench, report, stage)
    finally:
        if kept is not None:
            keep(bench, kept)
        bench.model = None
        gc.collect()
        bench.foundation.settle()
        _trim()


def _go(bench: Bench, report: Report, stage: Callable[[str], Stage]) -> None:
    """Go through the stages, and tell of each."""
    for name in bench.stages:
        report({"event": "start", "stage": name})
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            stage(name)(bench)
        finally:
            report(
                {
                    "event": "end",
                    "stage": name,
                    "seconds": time.perf_counter() - wall,
                    "cpu_seconds": time.process_time() - cpu,
                    "metrics": bench.metrics,
                }
            )
        # A large model that is done with is let go of at once, a small one after the case.
        if _is_large(bench):
            gc.collect()
            _bound_memory(_TIGHT)
            _trim()


#: Numbers in the weights of a model from which on its memory is bounded: 300 MB of them.
_LARGE = 75_000_000

_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1  # of malloc.h

#: For large models: blocks of 4 MiB are the system's again as soon as they are freed. Left
#: alone, glibc raises its own bound to the largest block freed, 32 MiB at most, and keeps the
#: rest in holes that nothing fits: the largest cases would take 3 GiB more.
_TIGHT = {_M_MMAP_THRESHOLD: 4 * 2**20, _M_TRIM_THRESHOLD: 128 * 2**10}

#: For all others: what is freed stays at hand. To have each page cleared and given anew by the
#: system is up to a sixth of the work of a case.
_ROOMY = {_M_MMAP_THRESHOLD: 32 * 2**20, _M_TRIM_THRESHOLD: 512 * 2**20}


def _is_large(bench: Bench) -> bool:
    return bool(bench.metrics.get("parameters", 0) > _LARGE)


def _bound_memory(bounds: Mapping[int, int]) -> None:
    """Say when freed memory goes back to the system, where the C library can."""
    for parameter, value in bounds.items():
        _c_library("mallopt", parameter, value)


def _trim() -> None:
    """Give back what a stage has freed in small blocks: the next one allocates anew."""
    _c_library("malloc_trim", 0)


def _c_library(name: str, *arguments: int) -> None:
    """Call a function of glibc's allocator; other libraries have none of the name."""
    import ctypes

    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*arguments)
