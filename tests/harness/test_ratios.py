"""What a case costs against its control, in one run and across several."""

from __future__ import annotations

from collections.abc import Callable

from harness.ratios import compared, completed
from harness.records import Record

MakeRecord = Callable[..., Record]


def test_sizes_compare_across_runs_and_latencies_within_one(make_record: MakeRecord) -> None:
    figures = {"file_bytes": 1000, "deflated_bytes": 500, "latency_ms": 3.0}
    one = make_record("A-prune-notop", metrics=figures)
    control = make_record("A-float-notop", metrics={"file_bytes": 4000, "latency_ms": 2.0})
    sizes = {"file_ratio": 0.25, "deflated_ratio": 0.125}
    same = compared(one, control, same_run=True)
    assert dict(same.metrics) == {**figures, **sizes, "latency_ratio": 1.5}
    other = compared(one, control, same_run=False)
    assert dict(other.metrics) == {**figures, **sizes}


def test_what_was_compared_in_its_own_run_stays(make_record: MakeRecord) -> None:
    own = make_record("A-qat-notop", metrics={"file_bytes": 9, "file_ratio": 0.3})
    control = make_record("A-float-notop", metrics={"file_bytes": 10})
    assert compared(own, control, same_run=False) == own


def test_each_is_compared_with_the_control_of_its_application_and_variant(
    make_record: MakeRecord,
) -> None:
    found = [
        make_record(case, metrics={"file_bytes": size})
        for case, size in (
            ("A-float-notop", 10),
            ("A-float-top", 20),
            ("A-qat-notop", 5),
            ("A-qat-top", 5),
            ("B-qat-notop", 5),
        )
    ]
    ratio = {r.case: r.metrics.get("file_ratio") for r in completed(found)}
    assert ratio == {
        "A-float-notop": None,
        "A-float-top": None,
        "A-qat-notop": 0.5,
        "A-qat-top": 0.25,
        "B-qat-notop": None,
    }
    assert compared(found[4], None, same_run=True) is found[4]
