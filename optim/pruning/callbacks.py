"""Callbacks for the training of a pruned model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from optim._keras import require, tf, tfmot
from optim.errors import ConfigError, MissingPackageError, Problem, UnsupportedModelError
from optim.models.clone import plain_variable
from optim.models.integers import is_whole
from optim.pruning.wrapper import PruneLowMagnitude, kernel_names, pruned_layers

__all__ = ["PruningSummaries", "UpdatePruningStep", "get_pruning_callbacks"]


def get_pruning_callbacks(
    tensorboard_dir: str | os.PathLike[str] | None = None, update_freq: str | int = "epoch"
) -> list[Any]:
    """Return the callbacks that `fit` needs for a pruned model.

    Args:
        tensorboard_dir: if given, sparsity and thresholds are logged there too, besides
            what Keras' own TensorBoard callback logs.
        update_freq: when: "epoch", "batch", or every so many steps.

    Returns:
        `[UpdatePruningStep]`, and `PruningSummaries` if a directory is given.

    Raises:
        MissingPackageError: a directory is given and TensorBoard is not installed.
        ConfigError: bad `update_freq`.
    """
    _each(update_freq)
    callbacks: list[Any] = [UpdatePruningStep()]
    if tensorboard_dir is not None:
        try:  # tf.summary needs it, and would say so only during training
            require("tensorboard")
        except MissingPackageError as error:
            raise MissingPackageError(
                f"{error} It is the extra `tensorboard` of this project: "
                "pip install 'tfmot-matrix[tensorboard]'.",
                name="tensorboard",
            ) from error
        callbacks.append(PruningSummaries(os.fspath(tensorboard_dir), update_freq))
    return callbacks


class UpdatePruningStep(tfmot.sparsity.keras.UpdatePruningStep):  # type: ignore[misc, name-defined]
    """tfmot's, for models that `fit` builds at the first batch, and for frozen backbones too.

    A wrapper takes its training step in a call that says that it is one of training. Where the
    model calls a layer with `training=False` throughout, this takes the step instead.
    """

    def __init__(self) -> None:
        super().__init__()
        self._supports_tf_logs = True  # it has no use for them
        self._steps = 0

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        steps = _steps_of(self.model)
        for wrapper in self.prunable_layers:
            if isinstance(wrapper, PruneLowMagnitude) and not wrapper.hears_of_training:
                for _ in range(steps - self._steps):
                    wrapper.train_step()
        self._steps = steps

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._steps = _steps_of(self.model)
        wrappers = pruned_layers(self.model)
        late = [wrapper for wrapper in wrappers if not wrapper.built]
        if not late:
            super().on_train_begin(logs)
            return
        self.prunable_layers = wrappers
        for wrapper in late:
            if not isinstance(wrapper, PruneLowMagnitude):  # tfmot's own
                problem = Problem(
                    wrapper.name,
                    "is not built, so that its training steps cannot be counted",
                    "build the model first: model.build(input_shape), or call it on a batch",
                )
                raise UnsupportedModelError([problem])
            wrapper.count_from_build()


def _steps_of(model: Any) -> int:
    """Training steps so far; the counter may be mirrored, which has no other way to a number."""
    return int(model.optimizer.iterations.numpy())


def _each(update_freq: Any) -> Any:
    """Return when to log: "epoch", or a number of steps.

    Raises:
        ConfigError: it is neither.
    """
    each = 1 if update_freq == "batch" else update_freq
    if each != "epoch" and not (is_whole(each) and each > 0):
        raise ConfigError(f"update_freq={update_freq!r}: 'epoch', 'batch' or a number of steps")
    return each


class PruningSummaries(tfmot.sparsity.keras.PruningSummaries):  # type: ignore[misc, name-defined]
    """Logs sparsity and thresholds of a pruned model for TensorBoard.

    Scalars, by the number of training steps so far, in the run `metrics`:

    * `sparsity/<layer>/<kernel>`: share of zeros in the kernel's mask, 0 to 1;
    * `threshold/<layer>/<kernel>`: smallest magnitude that stays (m by n: largest that
      goes);
    * `target/<layer>`: sparsity that the schedule asks for now;
    * `sparsity/total`: share of zeros in all masks.

    tfmot's own writes at the start of each epoch, so that it never shows the last one, and
    none but the state before training if there is one epoch.

    Args:
        log_dir: folder for the event files.
        update_freq: "epoch" (at its end), "batch", or every so many steps.
        **kwargs: for Keras' TensorBoard callback.

    Raises:
        ConfigError: bad `update_freq`.
    """

    def __init__(self, log_dir: str, update_freq: str | int = "epoch", **kwargs: Any) -> None:
        self._each = _each(update_freq)
        kwargs.setdefault("write_graph", False)
        super().__init__(log_dir=log_dir, update_freq=update_freq, **kwargs)
        self._last = -1

    def _implements_train_batch_hooks(self) -> bool:
        # Keras' own asks for calls after each step only for its profiler.
        return isinstance(self._each, int) or bool(super()._implements_train_batch_hooks())

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if epoch == 0 or self._last < 0:
            self._write()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, logs)
        if isinstance(self._each, int) and self._step() % self._each == 0:
            self._write()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        super().on_epoch_end(epoch, logs)
        self._write()

    def _step(self) -> int:
        return _steps_of(self.model)

    def _write(self) -> None:
        step = self._step()
        if step == self._last:
            return
        self._last = step
        # Keras' callback leaves a condition of its own in force, by `update_freq`.
        with self._file_writer.as_default(), tf.summary.record_if(True):
            for name, value in self._scalars():
                tf.summary.scalar(name, value, step=step)
        self._file_writer.flush()

    def _scalars(self) -> Iterator[tuple[str, float]]:
        zeros = total = 0.0
        seen = set()
        for wrapper in pruned_layers(self.model):
            if id(wrapper) in seen or not wrapper.pruning_vars:
                continue
            seen.add(id(wrapper))
            target = wrapper.pruning_obj._pruning_schedule(wrapper.pruning_step)[1]
            yield f"target/{wrapper.layer.name}", float(target)
            for name, (_, mask, threshold) in zip(
                kernel_names(wrapper), wrapper.pruning_vars, strict=True
            ):
                kernel = f"{wrapper.layer.name}/{name}"
                sparsity = 1.0 - float(tf.reduce_mean(tf.cast(plain_variable(mask), tf.float32)))
                size = float(tf.size(mask))
                zeros, total = zeros + size * sparsity, total + size
                yield f"sparsity/{kernel}", sparsity
                yield f"threshold/{kernel}", float(threshold.numpy())
        if total:
            yield "sparsity/total", zeros / total
