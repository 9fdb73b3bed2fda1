"""The inputs of a check: where they come from, and that they fit the model."""

from harness.checking.data.reading import Inputs, read

__all__ = ["Inputs", "read"]
