"""The matrix as pytest cases: one item per case, see ``harness.plugin``."""

from __future__ import annotations

from typing import Any

from harness.matrix.cases import Case


def test_case(matrix_case: Case, matrix: Any) -> None:
    matrix.check(matrix_case)
