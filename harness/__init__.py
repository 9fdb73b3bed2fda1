"""The compatibility matrix of Keras applications and model-optimization techniques."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.runs.one_call import test_aplications as test_aplications
    from harness.runs.one_call import test_applications as test_applications

__all__ = ["test_aplications", "test_applications"]


def __getattr__(name: str) -> Any:
    # Late, so that importing any module of the package stays cheap.
    if name in __all__:
        from harness.runs import one_call

        return getattr(one_call, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
