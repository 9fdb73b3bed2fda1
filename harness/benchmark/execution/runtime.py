"""What runs one unit in its process: the counterpart of `harness.execution.runtime`.

A request is `request(...)` of `harness.benchmark.execution.schedule`; nothing here is imported with
TensorFlow before `preload`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.benchmark.definition.settings import Settings
from harness.benchmark.definition.techniques import BY_ID, Technique
from harness.execution import runtime as matrix
from harness.matrix.application import Application
from harness.stages import numerics
from harness.vocabulary import UsageError

Report = Callable[[Mapping[str, Any]], None]


def check() -> None:
    """Raise a UsageError if units cannot run in this environment."""
    matrix.check()
    if importlib.util.find_spec("sklearn") is None:
        raise UsageError(
            "scikit-learn, which has the images, is not installed: it is the extra `bench`: "
            "pip install -c constraints.txt -e '.[bench]'"
        )


def preload() -> None:
    """Import what every unit needs; nothing here may start a thread pool or open a device."""
    numerics.tell(numerics.BENCHMARK)  # before the matrix does
    matrix.preload()
    for name in ("data", "fit", "measure", "steps"):
        importlib.import_module(f"harness.benchmark.execution.{name}")
    importlib.import_module("sklearn.datasets")
    importlib.import_module("sklearn.model_selection")
    importlib.import_module("skimage.transform")


def run(request: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    """Run one unit stage by stage; an exception means the stage failed."""
    import tensorflow as tf

    # One thread: the order of sums is then always the same, and so is every outcome.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    one = _Unit(request, report)
    with one.stage("build"):
        one.build()
    with one.stage("transform"):
        one.transform()
    with one.stage("train"):
        one.train()
    with one.stage("export"):
        one.export()
    with one.stage("run"):
        one.measure()
    return one.metrics


class _Unit:
    """One unit at work: its model, its file, and the figures so far."""

    def __init__(self, request: Mapping[str, Any], report: Report) -> None:
        self.request = request
        self.report = report
        self.technique: Technique = BY_ID[request["technique"]]
        self.settings = Settings(**request["settings"])
        self.metrics: dict[str, Any] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.report({"event": "start", "stage": name})
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.report(
                {
                    "event": "end",
                    "stage": name,
                    "seconds": time.perf_counter() - wall,
                    "cpu_seconds": time.process_time() - cpu,
                    "metrics": self.metrics,
                }
            )

    @property
    def epochs(self) -> int:
        field = self.technique.training
        return int(getattr(self.settings, field)) if field else 0

    def build(self) -> None:
        """Build the model, and give it the weights that the technique starts from."""
        import tf_keras as keras

        from harness.benchmark.execution import data, fit

        request, settings = self.request, self.settings
        keras.utils.set_random_seed(request["seed"])
        self.images = data.digits(
            request["size"], tuple(request["pixels"]), settings.test_share, settings.split_seed
        )
        self.calibration = self.images.train[: settings.calibration]
        self.model = fit.build(
            Application(**request["application"]),
            request["arguments"],
            request["size"],
            settings.momentum,
        )
        self.metrics["parameters"] = int(self.model.count_params())
        if request["start"]:
            self.model.load_weights(request["start"])

    def transform(self) -> None:
        from harness.benchmark.execution import fit, steps

        count = self.epochs * fit.steps_per_epoch(self.images, self.settings)
        for step in self.technique.steps:
            self.model = steps.apply(step, self.model, self.calibration, count, self.settings)

    def train(self) -> None:
        """Train, strip, keep the weights if another technique starts from them, and test."""
        from harness.benchmark.execution import fit, measure, steps

        if self.epochs:
            self.metrics["loss"] = fit.fit(
                self.model,
                self.images,
                epochs=self.epochs,
                rate=self.technique.rate * self.request["rate"],
                seed=self.request["seed"],
                settings=self.settings,
            )
        self.model = steps.stripped(self.model)
        if self.request["keep"]:
            _save(self.model, Path(self.request["keep"]))
        self.metrics["accuracy"] = measure.accuracy(
            self.model, self.images.test, self.images.test_labels
        )

    def export(self) -> None:
        import optim
        from harness.benchmark.execution import measure

        optimize = self.technique.optimize
        data = [self.calibration] if optimize else None
        self.file = optim.export(self.model, optimize=optimize, representative_data=data)
        self.metrics.update(measure.sizes(self.file))
        self.metrics.update(measure.weights(self.file))

    def measure(self) -> None:
        from harness.benchmark.execution import measure

        self.metrics.update(
            measure.run(
                self.file, self.images.test, self.images.test_labels, self.settings.latency_repeats
            )
        )


def _save(model: Any, path: Path) -> None:
    """Write weights so that another unit finds them whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{os.getpid()}-{path.name}")  # Keras goes by the ending
    model.save_weights(partial)
    os.replace(partial, path)
