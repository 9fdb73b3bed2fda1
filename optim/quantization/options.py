"""`Quantize`: the options of `quantize_model` as an object, to use on several models."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from optim.annotation.recipe import AnnotateRecipe
from optim.files.api import load_model
from optim.quantization.api import quantize_model
from optim.quantization.planning.plan import Plan
from optim.quantization.planning.planner import plan
from optim.quantization.planning.requests import Configs, Skip, check_configs, check_skip
from optim.quantization.planning.schemes import Scheme, get_scheme
from optim.quantization.quantizers.preserving import check_preserve
from optim.saving import custom_object_scope, default_custom_objects, own_classes

__all__ = ["Quantize"]


class Quantize:
    """Makes quantization-aware-training models, with the same options every time.

        quantize = Quantize(skip="head_*", configs={CustomScaleLayer: NoOpQuantizeConfig})
        qat_model = quantize(model)
        qat_model.fit(...)
        qat_model.save("model.keras")
        quantize.load_model("model.keras")

    Args:
        configs: layer class or name pattern -> factory of a tfmot `QuantizeConfig` (its
            class will do), or such a config; see `quantize_model`.
        scheme, skip, preserve, calibration_data: as `quantize_model` takes them.
        custom_objects: objects by name that Keras needs in order to read the models back;
            added to the ones known by default (see `optim.saving`). The classes in
            `configs` need not be named.

    Raises:
        ConfigError: a scheme, `preserve`, a key or a value of `configs` that makes no sense.
    """

    def __init__(
        self,
        configs: Configs | None = None,
        *,
        scheme: str | Scheme = "int8",
        skip: Skip | Iterable[Skip] = (),
        preserve: str | None = None,
        calibration_data: Any = None,
        custom_objects: Mapping[str, Any] | None = None,
    ) -> None:
        self.configs = check_configs(configs)
        self.scheme = get_scheme(scheme)
        self.skip = check_skip(skip)
        check_preserve(preserve)
        self.preserve = preserve
        self.calibration_data = calibration_data
        self.custom_objects: dict[str, Any] = {
            **default_custom_objects(),
            **own_classes([*self.configs, *self.configs.values()]),
            **(custom_objects or {}),
        }

    @property
    def scope(self) -> Any:
        """A context manager in which Keras can read the models made here."""
        return custom_object_scope(self.custom_objects)

    def __call__(self, model: Any) -> Any:
        """Return `quantize_model` of the model with these options."""
        with self.scope:
            return quantize_model(
                model,
                scheme=self.scheme,
                skip=self.skip,
                configs=self.configs,
                preserve=self.preserve,
                calibration_data=self.calibration_data,
            )

    def plan(self, model: Any) -> Plan:
        """Return what would be done to a model, and why; nothing is built."""
        return plan(
            model, self.scheme, skip=self.skip, configs=self.configs, preserve=self.preserve
        )

    def annotate(self, layer_or_model: Any) -> Any:
        """Annotate for tfmot's `quantize_apply`, as the annotate recipe does.

        For code that is written around tfmot's two steps; calling this object does not
        need it. Of the options, the entries of `configs` for layer classes count.

        Args, returns, raises: those of `AnnotateRecipe.annotate`.
        """
        classes = {key: value for key, value in self.configs.items() if isinstance(key, type)}
        recipe = AnnotateRecipe(classes, custom_objects=self.custom_objects)
        return recipe.annotate(layer_or_model)

    apply_quantization = annotate  # the name in use before this class

    def load_model(self, path: str | os.PathLike[str], compile: bool = True) -> Any:
        """Load a model made here; `optim.load_model` with these custom objects."""
        return load_model(path, custom_objects=self.custom_objects, compile=compile)
