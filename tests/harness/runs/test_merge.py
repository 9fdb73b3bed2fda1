"""Joining the records of several machines into one run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.environment import IDENTITY
from harness.records import Record
from harness.runs.merge import merge
from harness.vocabulary import UsageError

MakeRecord = Callable[..., Record]

PINNED = {"keras_module": "tf_keras", "tensorflow": "2.21.0", "tf_keras": "2.21.0", "tfmot": "0.8"}


def test_shards_join_into_one_sorted_run(make_record: MakeRecord) -> None:
    one = [make_record(f"{n}-float-notop", environment={**PINNED, "cores": 2}) for n in "CA"]
    two = [make_record(f"{n}-float-notop", environment={**PINNED, "cores": 96}) for n in "BD"]
    joined = merge([*one, *two])
    assert [r.application for r in joined] == ["A", "B", "C", "D"]
    assert joined == merge([*two, *one])


def test_of_one_case_the_newest_attempt_counts(make_record: MakeRecord) -> None:
    def at(minute: int, attempt: int) -> Record:
        started = f"2026-01-01T00:{minute:02}:00+00:00"
        return make_record(started=started, attempt=attempt, environment=PINNED)

    assert merge([at(5, 1), at(4, 2)]) == [at(5, 1)]
    assert merge([at(5, 2), at(5, 1)]) == [at(5, 2)]
    assert merge([at(5, 2), at(5, 3), at(1, 9)]) == [at(5, 3)]


@pytest.mark.parametrize("name", IDENTITY)
@pytest.mark.parametrize("value", ["9.9", None])
def test_different_versions_are_refused_and_named(
    make_record: MakeRecord, name: str, value: Any
) -> None:
    a = make_record("A-float-notop", environment=PINNED)
    b = make_record("B-float-notop", environment={**PINNED, name: value})
    with pytest.raises(UsageError) as caught:
        merge([a, b])
    told = str(caught.value)
    assert f"A-float-notop: keras_module {PINNED['keras_module']}" in told
    assert f"{name} {PINNED[name]}" in told
    assert f"{name} {value}" in told
    assert "--allow-mixed" in told
    assert merge([b, a], allow_mixed=True) == [a, b]


def test_what_says_nothing_of_the_outcome_may_differ(make_record: MakeRecord) -> None:
    a = make_record("A-float-notop", environment={**PINNED, "python": "3.11", "revision": "a"})
    b = make_record("B-float-notop", environment={**PINNED, "python": "3.12", "platform": "x"})
    assert len(merge([a, b])) == 2


def test_nothing_joins_to_nothing() -> None:
    assert merge([]) == []
