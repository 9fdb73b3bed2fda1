"""Huge pages for what cases allocate, where the C library and the system have them.

A process that runs cases gives large blocks back as soon as they are freed (see
`harness.execution.runtime`), so every operation on a large kernel gets fresh pages for its
result. Of 4 KiB each, to be cleared one after the other, they cost three times what the
operation does.
Linux gives pages of 2 MiB to who asks for them, and glibc asks if it is told to before a
process starts.
"""

from __future__ import annotations

from collections.abc import Mapping

VARIABLE = "GLIBC_TUNABLES"
_NAME = "glibc.malloc.hugetlb"


def asked_for(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what to add to the environment of a process; a user's own setting wins.

    C libraries that do not know the name, or the variable, ignore it.
    """
    given = [one for one in environment.get(VARIABLE, "").split(":") if one]
    if any(one.partition("=")[0] == _NAME for one in given):
        return {}
    return {VARIABLE: ":".join([*given, f"{_NAME}=1"])}
