"""Monotonic counters of finished job runs by kind, result and duration.

The job table cannot give them: a retried job is no longer failed, and old jobs may be deleted. A
run is counted in the transaction that ends it.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from core.adapters.store.part import whole
from core.adapters.store.tables import job_tallies

BOUNDS_MS = (
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    1_800_000, 3_600_000,
)  # fmt: skip
"""The upper bounds of the duration buckets, in milliseconds."""

BEYOND = 0
"""The bucket above every bound."""

UNTIMED = -1
"""The bucket of runs without a known duration."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Runs of one kind, result and duration bucket; `seconds` is their sum."""

    kind: str
    result: str
    up_to_ms: int
    runs: int
    seconds: float


def count_run(connection: sa.Connection, kind: str, result: str, seconds: float | None) -> None:
    """Count a finished run, after its job's row was updated and before the audit trail."""
    values: dict[str, str | int] = {"kind": kind, "result": result, "up_to_ms": _class(seconds)}
    took = max(seconds or 0.0, 0.0)
    if _add(connection, values, took):
        return
    first = {**values, "runs": 1, "seconds": took}
    if connection.dialect.name == "sqlite":  # who writes there has waited for all others already
        connection.execute(sa.insert(job_tallies).values(first))
        return
    # One statement: if several transactions count the first run of a class at once, a plain insert
    # gives each a shared lock on the row that one of them made, and none could then update it.
    again = mysql.insert(job_tallies).values(first)
    connection.execute(
        again.on_duplicate_key_update(
            runs=job_tallies.c.runs + 1, seconds=job_tallies.c.seconds + took
        )
    )


def _class(seconds: float | None) -> int:
    if seconds is None:
        return UNTIMED
    return next((bound for bound in BOUNDS_MS if seconds * 1000 <= bound), BEYOND)


def _add(connection: sa.Connection, values: dict[str, str | int], seconds: float) -> bool:
    here = [job_tallies.c[name] == value for name, value in values.items()]
    added = connection.execute(
        sa.update(job_tallies)
        .where(*here)
        .values(runs=job_tallies.c.runs + 1, seconds=job_tallies.c.seconds + seconds)
    )
    return added.rowcount > 0


def read_tallies(connection: sa.Connection) -> list[Tally]:
    """All counters."""
    order = (job_tallies.c.kind, job_tallies.c.result, job_tallies.c.up_to_ms)
    query = whole(job_tallies).order_by(*order)
    return [Tally(**row._mapping) for row in connection.execute(query)]
