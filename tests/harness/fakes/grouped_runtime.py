"""The scripted runtime, whose cases share a process with others of the request's group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fakes.scripted_runtime import check, preload, run

__all__ = ["check", "group", "preload", "run"]


def group(request: Mapping[str, Any]) -> str:
    return str(request["group"])
