"""What was: jobs and batches, looked up as the pages ask for them. Reads only, all bounded."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from core.records import Batch, BatchState, Job, JobKind, JobState
from core.store.jobs import JOB_COLUMNS, as_job
from core.tables import batches, job_logs, jobs, quarantine

_LONGEST_NUMBER = 19
"""Digits from which on a number fits no id."""

_BATCH = [batches.c[f.name] for f in fields(Batch)]


class History:
    """Jobs and batches of the past, as seen from inside one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def jobs(self, *, limit: int, offset: int = 0, **wanted: Any) -> list[Job]:
        """One page of the jobs that are wanted, newest first; `wanted` as in `count`."""
        query = sa.select(*JOB_COLUMNS).where(*_where(**wanted)).order_by(jobs.c.id.desc())
        rows = self._connection.execute(query.limit(limit).offset(offset))
        return [as_job(row) for row in rows]

    def count(self, **wanted: Any) -> int:
        """How many jobs are wanted: by `kind`, `state`, `actor` and `text`, empty for any.

        `text` is looked for in errors and in what jobs logged, or is a job's number.
        """
        query = sa.select(sa.func.count()).select_from(jobs).where(*_where(**wanted))
        return int(self._connection.execute(query).scalar_one())

    def actors(self, limit: int = 200) -> list[str]:
        """Everybody who asked for a job."""
        query = sa.select(jobs.c.actor).distinct().order_by(jobs.c.actor).limit(limit)
        return list(self._connection.execute(query).scalars())

    def ledger(self, epoch: int, limit: int = 500) -> list[Batch]:
        """An epoch's entries of the ledger, newest first."""
        query = (
            sa.select(*_BATCH)
            .where(batches.c.epoch == epoch)
            .order_by(batches.c.id.desc())
            .limit(limit)
        )
        return [
            Batch(**dict(row._mapping) | {"state": BatchState(row.state)})
            for row in self._connection.execute(query)
        ]

    def reasons(self, batch_id: int, limit: int = 30) -> list[tuple[str, int]]:
        """Why rows of a batch were quarantined, and how many for each reason, most first."""
        number = sa.func.count().label("number")
        query = (
            sa.select(quarantine.c.reason, number)
            .where(quarantine.c.batch_id == batch_id)
            .group_by(quarantine.c.reason)
            .order_by(number.desc(), quarantine.c.reason)
            .limit(limit)
        )
        return [(row.reason, int(row.number)) for row in self._connection.execute(query)]


def _where(
    *,
    kind: JobKind | None = None,
    state: JobState | None = None,
    actor: str = "",
    text: str = "",
) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = []
    if kind:
        where.append(jobs.c.kind == kind.value)
    if state:
        where.append(jobs.c.state == state.value)
    if actor:
        where.append(jobs.c.actor == actor)
    if text.strip():
        where.append(_says(text.strip()))
    return where


def _says(text: str) -> sa.ColumnElement[bool]:
    logged = sa.select(job_logs.c.id).where(
        job_logs.c.job_id == jobs.c.id, job_logs.c.message.icontains(text, autoescape=True)
    )
    either = [jobs.c.error.icontains(text, autoescape=True), logged.exists()]
    number = text.removeprefix("#")
    if number.isascii() and number.isdecimal() and len(number) < _LONGEST_NUMBER:
        either.append(jobs.c.id == int(number))
    return sa.or_(*either)
