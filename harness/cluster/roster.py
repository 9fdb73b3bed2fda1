"""The roster: the workers of a cluster, what each is at, and which takes the next case."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from harness.environment import CASE_BYTES
from harness.execution.jobs import Job

#: A worker that was lost may be started anew: its memory still counts for so long, so that
#: cases that only it can take are not given up at once.
REJOIN_SECONDS = 60.0


@dataclass
class Member:
    """A worker that takes cases.

    Attributes:
      address: of the worker, as Dask names it.
      name: the same after a restart.
      slots: how many cases it runs at once.
      memory: how much they may need together, in bytes.
      cores: of its machine, as far as it may use them.
      cases: memory asked for, by attempt.
      group: of the last case it was given.
      given: when that was.
    """

    address: str
    name: str
    slots: int
    memory: int
    cores: int
    cases: dict[str, int] = field(default_factory=dict)
    group: str = ""
    given: float = 0.0

    @property
    def host(self) -> str:
        return urlsplit(self.address).hostname or self.address

    @property
    def free(self) -> int:
        """How many more cases it takes, memory aside."""
        return self.slots - len(self.cases)

    def has_room(self, size: int) -> bool:
        return self.free > 0 and sum(self.cases.values()) + size <= self.memory


class Roster:
    """All workers that take cases. One thread, no waiting, nothing of Dask.

    Args:
      clock: the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._members: dict[str, Member] = {}
        self._lost: dict[str, tuple[float, int]] = {}  # by name: when, and its memory

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def get(self, address: str) -> Member | None:
        return self._members.get(address)

    def add(self, member: Member) -> None:
        self._members[member.address] = member
        self._lost.pop(member.name, None)

    def remove(self, address: str) -> Member | None:
        """Strike a worker off; return what it was."""
        member = self._members.pop(address, None)
        if member is not None:
            self._lost[member.name] = (self._clock(), member.memory)
        return member

    def free(self) -> int:
        """Return how many more cases the workers take, memory aside."""
        return sum(member.free for member in self)

    def ceiling(self) -> int:
        """Return the memory of the largest worker, or of one that may come back."""
        recent = self._clock() - REJOIN_SECONDS
        lost = (memory for when, memory in self._lost.values() if when > recent)
        return max([*(member.memory for member in self), *lost], default=0)

    def size(self, job: Job) -> int:
        """Return how much memory a case asks for: what nobody knows must not keep it out."""
        if job.memory_bytes is None:
            return min(CASE_BYTES, self.ceiling())
        return job.memory_bytes

    def threads(self, member: Member) -> int:
        """Return how many threads a case on a worker may use: its share of the cores."""
        beside = sum(one.slots for one in self if one.host == member.host)
        return max(1, member.cores // beside)

    def place(self, job: Job, avoid: Collection[str] = ()) -> Member | None:
        """Return the worker that takes a case now; None if it has to wait.

        Of those with room, the one that had the group's last case; then the one with the
        least memory, so that large ones are kept for large cases; then the one that was given
        nothing for longest, whose own group has probably ended.

        Args:
          job: the case.
          avoid: names of workers that have been lost over it; only if no other is large enough.
        """
        size = self.size(job)
        able = [member for member in self if member.memory >= size]
        able = [member for member in able if member.name not in avoid] or able
        return min(
            (member for member in able if member.has_room(size)),
            key=lambda member: (member.group != job.group, member.memory, member.given),
            default=None,
        )

    def give(self, member: Member, attempt: str, job: Job) -> None:
        """Note that a worker has a case."""
        member.cases[attempt] = self.size(job)
        member.group, member.given = job.group, self._clock()

    def end(self, address: str, attempt: str) -> None:
        """Note that a worker's case has ended."""
        member = self._members.get(address)
        if member is not None:
            member.cases.pop(attempt, None)


def gib(number: float) -> str:
    """Return a number of bytes as people write it."""
    return f"{number / 2**30:.1f} GiB"
