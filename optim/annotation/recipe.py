"""Quantization-aware training by annotation: today's recipe, with its layer table as data."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from optim._keras import check_layer, check_model, keras, tfmot
from optim.annotation.configs import (
    ANNOTATE_RECIPE,
    LayerTable,
    QuantizeConfig,
)
from optim.errors import ConfigError
from optim.files.api import load_model
from optim.models.class_tables import lookup
from optim.models.clone import clone_model
from optim.models.compile_state import copy_compile_state
from optim.saving import custom_object_scope, default_custom_objects, own_classes

__all__ = ["AnnotateRecipe"]


class AnnotateRecipe:
    """Makes quantization-aware-training models by annotating layers for tfmot.

    A layer with an entry in the layer table gets that quantize config, every other layer
    the one of tfmot's default 8-bit registry.

        recipe = AnnotateRecipe({CustomScaleLayer: NoOpQuantizeConfig})
        qat_model = recipe(model)
        qat_model.fit(...)
        qat_model.save("model.h5")
        recipe.load_model("model.h5")

    It is here to compare with, and for models that were made with it: `quantize_model`
    takes more models, and what it makes runs in int8 throughout.

    Args:
        layers: entries added to the default table `ANNOTATE_RECIPE`, or replacing some:
            layer class -> factory of a `tfmot` `QuantizeConfig` (its class will do), or
            None to leave the layer to tfmot's registry. An entry holds for subclasses
            too; the most derived class wins.
        custom_objects: objects by name that Keras needs in order to copy and load the
            models; added to the ones known by default (see `optim.saving`). The layer
            classes of `layers` and of the model itself need not be named.

    Attributes:
        table: the layer table in force.
        custom_objects: every custom object by name.

    Raises:
        ConfigError: a key of `layers` is not a layer class or a value not a factory.
    """

    def __init__(
        self,
        layers: LayerTable | None = None,
        *,
        custom_objects: Mapping[str, Any] | None = None,
    ) -> None:
        extra = dict(layers or {})
        for cls, factory in extra.items():
            _check_entry(cls, factory)
        self.table: dict[type, Callable[[], Any] | None] = {**ANNOTATE_RECIPE, **extra}
        self.custom_objects: dict[str, Any] = {
            **default_custom_objects(),
            **own_classes([*extra, *extra.values()]),
            **(custom_objects or {}),
        }

    @property
    def scope(self) -> Any:
        """A context manager in which Keras can read the models made here."""
        return custom_object_scope(self.custom_objects)

    def annotate(self, layer_or_model: Any) -> Any:
        """Annotate what the layer table names; leave the rest as it is.

        Args:
            layer_or_model: a layer, or a Functional or Sequential model.

        Returns:
            For a layer with an entry, a `QuantizeAnnotate` wrapper around it; for any
            other layer the layer itself, so that the method can serve as the
            `clone_function` of `keras.models.clone_model`. For a model, a copy with the
            same weights and its layers annotated; the model itself is not modified.

        Raises:
            KerasModelError: not a layer or model of tf_keras.
            UnsupportedModelError: a subclassed model, or a layer that cannot be copied.
        """
        check_layer(layer_or_model, "annotate")
        if not isinstance(layer_or_model, keras.Model):
            return self._annotate_layer(layer_or_model)
        with custom_object_scope({**_layer_classes(layer_or_model), **self.custom_objects}):
            return clone_model(
                layer_or_model, lambda layer, path, copy: self._annotate_layer(copy(layer))
            )

    def _annotate_layer(self, layer: Any) -> Any:
        if isinstance(layer, (keras.Model, keras.layers.Wrapper)):
            return layer  # wrapped: annotated already, or not a layer of the table itself
        found, factory = lookup(self.table, type(layer))
        if not found or factory is None:
            return layer
        return tfmot.quantization.keras.quantize_annotate_layer(layer, factory())

    def __call__(self, model: Any) -> Any:
        """Quantize a model.

        Args:
            model: a built Functional or Sequential model; not modified.

        Returns:
            A new model with the weights of `model`, fake-quants in place, and the
            compile state of `model` (see `optim.models.compile_state`).

        Raises:
            KerasModelError: not a model of tf_keras.
            UnsupportedModelError: a subclassed model, or a layer that cannot be copied.
            ValueError, RuntimeError: what tfmot raises for a model it cannot quantize,
                such as one with a nested model or with a layer it does not know.
        """
        check_model(model, "AnnotateRecipe")
        with custom_object_scope({**_layer_classes(model), **self.custom_objects}):
            # Every layer still without a wrapper is left to tfmot's registry.
            annotated = tfmot.quantization.keras.quantize_annotate_model(self.annotate(model))
            quantized = tfmot.quantization.keras.quantize_apply(annotated)
            copy_compile_state(model, quantized)
        return quantized

    def load_model(self, path: str | os.PathLike[str], compile: bool = True) -> Any:
        """Load a model made here; `optim.load_model` with these custom objects."""
        return load_model(path, custom_objects=self.custom_objects, compile=compile)


def _check_entry(cls: Any, factory: Any) -> None:
    if not (isinstance(cls, type) and issubclass(cls, keras.layers.Layer)):
        raise ConfigError(f"layer table: {cls!r} is not a layer class of tf_keras")
    if isinstance(factory, QuantizeConfig):
        raise ConfigError(
            f"layer table: {cls.__name__} needs a factory of quantize configs, such as the class "
            f"{type(factory).__name__}; got an instance, which its layers would have to share"
        )
    if factory is not None and not callable(factory):
        raise ConfigError(f"layer table: {cls.__name__} has {factory!r}, which is not a factory")


def _layer_classes(model: Any) -> dict[str, type]:
    return own_classes(type(layer) for layer in model._flatten_layers())
