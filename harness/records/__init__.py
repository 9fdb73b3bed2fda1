"""Records: one JSON line per (case, attempt), the only truth of a run.

Every output (page, CSV, Markdown, terminal summary, diff) is a pure function of
records.
"""

from harness.records.record import (
    SCHEMA,
    Failure,
    Record,
    RecordError,
    StageResult,
    iter_metrics,
    latest,
)
from harness.records.store import (
    RESULTS_NAME,
    Broken,
    Loaded,
    NewerSchema,
    append,
    read,
    read_all,
    replace_text,
    write,
)

__all__ = [
    "RESULTS_NAME",
    "SCHEMA",
    "Broken",
    "Failure",
    "Loaded",
    "NewerSchema",
    "Record",
    "RecordError",
    "StageResult",
    "append",
    "iter_metrics",
    "latest",
    "read",
    "read_all",
    "replace_text",
    "write",
]
