"""Techniques that fail where no kernel was pruned or clustered: such a model keeps any promise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.techniques.promises import ClustersLostError, Kept, MaskMissingError


class Treated(Kept):
    """A technique that has to find kernels to work on."""

    def inspect(self, result: Any, known: Mapping[str, Any]) -> Mapping[str, Any]:
        found = super().inspect(result, known)
        if found.get("treated_kernels") == 0:
            lost = ClustersLostError if self.promise.clusters else MaskMissingError
            raise lost(f"{self.id} works on none of the kernels of this model")
        return found
