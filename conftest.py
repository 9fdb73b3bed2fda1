"""pytest in a checkout: the matrix as a plug-in, and the suite beside it."""

from __future__ import annotations

import os

# The installed package brings its plug-in by an entry point of the same name; naming it
# here makes `pytest harness` work in a checkout that is only on sys.path as well.
pytest_plugins = ["harness.plugin"]

# Chosen before any test can import TensorFlow; `optim` refuses to choose afterwards.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
