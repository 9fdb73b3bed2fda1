"""An application: a model constructor, which makes a row of the matrix."""

from __future__ import annotations

from dataclasses import dataclass

from harness.vocabulary import KERAS_3


@dataclass(frozen=True)
class Application:
    """A model constructor.

    Attributes:
      name: the constructor's name, e.g. ``MobileNetV2``; the first part of a case id.
      family: the source module that defines it, e.g. ``mobilenet_v2``.
      module: where it is imported from, e.g. ``tf_keras.applications``.
      function: its name in that module.
      source: digest of the source it is built from.
      own: whether it is a user's own: named by its module, not found in a Keras package.
    """

    name: str
    family: str
    module: str
    function: str
    source: str
    own: bool = False

    @property
    def is_discovered(self) -> bool:
        """Whether it comes from a Keras package rather than from a user's own module."""
        return not self.own

    @property
    def is_converted(self) -> bool:
        """Whether its models are of Keras 3, and techniques get their twins of tf_keras."""
        return self.module.partition(".")[0] == KERAS_3

    @property
    def reference(self) -> str:
        """How a command names it where it is a user's own: ``package.module:function``."""
        return f"{self.module}:{self.function}"
