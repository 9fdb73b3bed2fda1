"""What a host process is told of huge pages, and that it gets there."""

from __future__ import annotations

import pytest

from harness.execution.huge_pages import asked_for

ASKED = "glibc.malloc.hugetlb=1"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, ASKED),
        ({"GLIBC_TUNABLES": ""}, ASKED),
        ({"GLIBC_TUNABLES": "glibc.malloc.arena_max=2"}, f"glibc.malloc.arena_max=2:{ASKED}"),
    ],
)
def test_huge_pages_are_asked_for_beside_what_a_user_asks_for(
    given: dict[str, str], found: str
) -> None:
    assert asked_for(given) == {"GLIBC_TUNABLES": found}


def test_what_a_user_says_of_huge_pages_counts() -> None:
    assert asked_for({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0:glibc.malloc.arena_max=2"}) == {}
