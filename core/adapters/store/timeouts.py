"""Database timeouts, of the client and of the server."""

from __future__ import annotations

import math
from dataclasses import dataclass

_LEAST_IDLE = 3


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts in whole seconds; None is unlimited.

    `connect`: for a connection, and for a free one of the pool. `answer`: for each piece of an
    answer, not for the whole of it. `lock`: for a row that another transaction locks, or for
    SQLite's write lock. `idle`: after which the server ends a transaction that has written and
    whose client says nothing, so that a client which stands still holds no row for longer; one that
    has written nothing may still hold a row, and is ended after twice as long.
    """

    connect: int = 5
    answer: int | None = 120
    lock: int = 60
    idle: int | None = 60


WORKING = Timeouts()
"""For jobs, which load many rows and must outlast a stopped process that holds a lock."""

LOOKING = Timeouts(answer=15, lock=5, idle=20)
"""For pages, commands and the reconciler, which must answer soon."""

CHANGING = Timeouts(answer=None, idle=None)
"""For migrations and restores, whose statements may rewrite a table."""


def of_jobs(lease_seconds: float) -> Timeouts:
    """For a job: the server ends an idle transaction by the end of the lease."""
    return Timeouts(idle=max(math.floor(lease_seconds), _LEAST_IDLE))
