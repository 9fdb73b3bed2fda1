"""The control: no technique at all, and the base of those that do something."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.vocabulary import ONLY_OF, STAGES


class Float:
    """Nothing: the control. If it fails, the other columns are blocked."""

    id = "float"
    title = "the model as built: the control"
    owner = "tf_keras"
    components: tuple[str, ...] = ()
    preserves = True
    int8 = False
    stages = tuple(one for one in STAGES if one not in ONLY_OF)
    parity: Mapping[str, float] = {"simulation": 60, "float": 60}

    #: Parts of the names of variables that training is for; all others are exported with the
    #: values from before it.
    state: tuple[str, ...] = ()

    #: Whether the model that `transform` is given stays as it is, whatever is done to the result.
    #: Then cases of several techniques may share it.
    leaves_model = False

    #: Ids of the techniques whose failures it is an answer to.
    answers: tuple[str, ...] = ()

    #: How `optim.export` quantizes a float model after training; None: not at all.
    optimize: str | None = None

    def transform(self, model: Any) -> Any:
        return model

    def calibrate(self, model: Any, data: Any) -> None:
        pass

    def export(self, model: Any, path: Path, input_shape: Any, data: Any) -> None:
        from optim import export

        representative = data if self.optimize in ("int8", "int16x8") else None
        export(
            model,
            path,
            input_shape=input_shape,
            optimize=self.optimize,
            representative_data=representative,
        )

    def callbacks(self) -> list[Any]:
        return []

    def inspect(self, result: Any, known: Mapping[str, Any]) -> Mapping[str, Any]:
        return {}

    def load(self, path: Path, custom_objects: Mapping[str, Any]) -> Any:
        from tf_keras.models import load_model

        return load_model(path, custom_objects=dict(custom_objects))


class ByOptim(Float):
    """What techniques of ours share: a scope of their own to read a model back in."""

    owner = "optim"
    components: tuple[str, ...] = ("loading",)
    leaves_model = True

    def load(self, path: Path, custom_objects: Mapping[str, Any]) -> Any:
        from optim import load_model

        return load_model(path, custom_objects=dict(custom_objects))
