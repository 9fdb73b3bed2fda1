"""An application: a model constructor, which makes a row of the matrix."""

from __future__ import annotations

from dataclasses import dataclass

from harness.matrix.keras_package import DEFAULT_KERAS_MODULE, keras_module

#: Packages whose constructors are Keras' own, whichever of them is chosen.
_KERAS = (DEFAULT_KERAS_MODULE, "keras")


@dataclass(frozen=True)
class Application:
    """A model constructor.

    Attributes:
      name: the constructor's name, e.g. ``MobileNetV2``; the first part of a case id.
      family: the source module that defines it, e.g. ``mobilenet_v2``.
      module: where it is imported from, e.g. ``tf_keras.applications``.
      function: its name in that module.
      source: digest of the source it is built from.
    """

    name: str
    family: str
    module: str
    function: str
    source: str

    @property
    def is_discovered(self) -> bool:
        """Whether it comes from a Keras package rather than from a user's own module."""
        return self.module in {f"{package}.applications" for package in (*_KERAS, keras_module())}

    @property
    def reference(self) -> str:
        """How a command names it where it is a user's own: ``package.module:function``."""
        return f"{self.module}:{self.function}"
