"""A runtime that takes as long to import as TensorFlow on a busy machine, and hears nothing."""

from __future__ import annotations

import time

from fake_runtime import check, run

__all__ = ["check", "preload", "run"]


def preload() -> None:
    time.sleep(600)
