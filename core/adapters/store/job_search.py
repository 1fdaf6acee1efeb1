"""Searches of jobs and batches for the pages; read-only and bounded."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from core.adapters.store.job_leases import SELECT_JOB, as_job
from core.adapters.store.part import Part, equal
from core.adapters.store.tables import job_logs, jobs, quarantine
from core.domain.jobs import Job, JobKind, JobState

_LONGEST_NUMBER = 19
"""Numbers with more digits are not ids."""


class JobSearch(Part):
    """Searches of jobs and batches; bound to one transaction."""

    def jobs(self, *, limit: int, offset: int = 0, **wanted: Any) -> list[Job]:
        """One page of matching jobs, newest first; `wanted` as in `count`."""
        query = SELECT_JOB.where(*_where(**wanted)).order_by(jobs.c.id.desc())
        rows = self._connection.execute(query.limit(limit).offset(offset))
        return [as_job(**row._mapping) for row in rows]

    def count(self, **wanted: Any) -> int:
        """The number of jobs by `kind`, `state`, `actor` and `text`, empty for any.

        `text` is searched in errors and log lines, or is a job's number.
        """
        query = sa.select(sa.func.count()).select_from(jobs).where(*_where(**wanted))
        return int(self._value(query))

    def actors(self, limit: int = 200) -> list[str]:
        """The actors of all jobs."""
        query = sa.select(jobs.c.actor).distinct().order_by(jobs.c.actor).limit(limit)
        return self._values(query)

    def reasons(self, batch_id: int, limit: int = 30) -> list[tuple[str, int]]:
        """The reasons for quarantined rows of a batch with their counts, most frequent first."""
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
    where = equal((jobs.c.kind, kind), (jobs.c.state, state), (jobs.c.actor, actor))
    return [*where, _says(text.strip())] if text.strip() else where


def _says(text: str) -> sa.ColumnElement[bool]:
    logged = sa.select(job_logs.c.id).where(
        job_logs.c.job_id == jobs.c.id, job_logs.c.message.icontains(text, autoescape=True)
    )
    either = [jobs.c.error.icontains(text, autoescape=True), logged.exists()]
    number = text.removeprefix("#")
    if number.isascii() and number.isdecimal() and len(number) < _LONGEST_NUMBER:
        either.append(jobs.c.id == int(number))
    return sa.or_(*either)
