"""Putting wrappers around the layers of a model: what pruning and clustering have in common."""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from optim._keras import accepted, check_layer, is_keras_3_model, keras
from optim.errors import Problem, UnsupportedModelError
from optim.graph.reader import functional
from optim.models.clone import Copier, clone_model, is_network, walk
from optim.models.compile_state import copy_compile_state, tell_of_functions
from optim.models.finite import check_finite
from optim.models.layer_options import Overrides, Skip
from optim.saving import custom_object_scope
from optim.wrapping.kinds import Kind, check_unwrapped

__all__ = ["Rules"]


class Rules(ABC):
    """Which layers are wrapped, and how.

    Attributes:
        function: the public one, for messages.
        kind: its wrappers, which a model may have already; those of other kinds it may not.
        done: what a wrapped layer is: "pruned".
        undo: what takes the wrappers off again.
        naming: what makes kernels known that are inside a layer.
        skip, overrides: the layers to leave alone, and those with options of their own.
        hidden: layers passed by that hold kernels where they are not looked for.
    """

    function: str
    kind: Kind
    done: str
    undo: str
    naming: str

    def __init__(self, skip: Skip, overrides: Overrides) -> None:
        self.skip = skip
        self.overrides = overrides
        self.hidden: list[str] = []

    @abstractmethod
    def wrap(self, layer: Any, original: Any, path: str, **arguments: Any) -> Any:
        """Return the wrapper around `layer`, a copy of `original` or itself; or `layer`."""

    @abstractmethod
    def conflict(self, wrapper: Any, path: str) -> str | None:
        """Say in what a wrapper that is there differs from what is asked for; None: in nothing."""

    def check(self, model: Any) -> None:
        """Refuse a network that the options do not fit."""
        self.skip.check(model)
        self.overrides.check(model)
        self._check_wrapped({id(one[0]): one for one in walk(model)}.values())

    def finish(self) -> None:  # noqa: B027  # most have nothing to do
        """Do what has to wait until the copies have their weights."""

    def apply(self, to_wrap: Any, arguments: dict[str, Any], **own: Any) -> Any:
        """Wrap a model, a layer, or each of a list of layers.

        Args:
            to_wrap: what the caller gave.
            arguments: for the wrappers; not for a model.
            own: arguments for the wrappers in a model.

        Returns:
            For a model, a new one with the compile state of the original. For a layer, the
            wrapper around it, or the layer itself. For a list, a list of those.

        Raises:
            KerasModelError: not something of tf_keras.
            UnsupportedModelError: the model cannot be copied, has other wrappers, or weights
                that are NaN or infinite.
            ConfigError: a name that no layer has.
            TypeError: arguments for a model.
        """
        if is_keras_3_model(to_wrap) or isinstance(to_wrap, (str, os.PathLike)):
            to_wrap = accepted(to_wrap, self.function, above=1)
        several = isinstance(to_wrap, (list, tuple))
        for layer in to_wrap if several else [to_wrap]:
            check_layer(layer, self.function)
            check_unwrapped(layer, self.kind)
            check_finite(self._looked_at(layer), self.function, skip=True)
        if several or not isinstance(to_wrap, keras.Model):
            layers = list(to_wrap) if several else [to_wrap]
            self._check_wrapped((layer, layer.name) for layer in layers)
            wrapped = [self.wrap(layer, layer, layer.name, **arguments) for layer in layers]
            self._tell_of_hidden()
            return wrapped if several else wrapped[0]
        if arguments:
            raise TypeError(f"{self.function}: unknown arguments for a model: {sorted(arguments)}")
        network = to_wrap if is_network(to_wrap) else functional(to_wrap)
        self.check(network)
        ends = _output_layers(network)

        def convert(layer: Any, path: str, copy: Copier) -> Any:
            # Outputs go by the names of layers; labels and losses go by those of outputs.
            name = {"name": layer.name} if path in ends else {}
            return self.wrap(copy(layer), layer, path, **own, **name)

        with custom_object_scope():
            model = clone_model(network, convert)
            self.finish()
            copy_compile_state(to_wrap, model)
            tell_of_functions(to_wrap, model)
        self._tell_of_hidden()
        if not any(map(self._is_own, model._flatten_layers())):
            self._warn(f"no layer of {to_wrap.name!r} is {self.done}")
        return model

    def _is_own(self, layer: Any) -> bool:
        return isinstance(layer, self.kind.classes)

    def _looked_at(self, layer: Any) -> Iterator[Any]:
        """The layers in a model, or in a layer, that are not left alone."""
        for one, path in walk(layer) if is_network(layer) else [(layer, layer.name)]:
            if not is_network(one) and not self.skip(one, path):
                yield from one._flatten_layers(include_self=not isinstance(one, keras.Model))

    def _check_wrapped(self, layers: Iterable[tuple[Any, str]]) -> None:
        """Refuse what is wrapped already, but otherwise than is asked for.

        Raises:
            UnsupportedModelError: naming all such layers.
        """
        problems = []
        for layer, path in layers:
            if not self._is_own(layer):
                continue
            if self.skip(layer, path) or self.skip(layer.layer, path):
                continue
            difference = self.conflict(layer, path)
            if difference:
                problems.append(
                    Problem(
                        path,
                        f"is {self.done} already, {difference}",
                        f"optim.{self.undo} it first, or leave it out (`skip`)",
                    )
                )
        if problems:
            raise UnsupportedModelError(problems)

    def _tell_of_hidden(self) -> None:
        if self.hidden:
            self._warn(
                f"left alone are the layers inside {', '.join(self.hidden)}; {self.naming}, or "
                "leave them out (`skip`)",
                above=1,
            )

    def _warn(self, message: str, above: int = 0) -> None:
        """Warn where the public function was called, which calls `apply`."""
        warnings.warn(f"{self.function}: {message}", stacklevel=4 + above)


def _output_layers(model: Any) -> set[str]:
    """Return the names of the layers whose outputs are those of a model."""
    if isinstance(model, keras.Sequential):
        return {layer.name for layer in model.layers[-1:]}
    return {layer.name for layer in getattr(model, "_output_layers", ())}
