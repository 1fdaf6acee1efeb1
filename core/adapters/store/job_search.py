"""Searches of jobs and batches for the pages; read-only and bounded."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
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
        """The number of jobs by `kind`, `state`, `actor`, `text` and `day`, empty for any.

        `text` is searched in errors and log lines, or is a job's number; `day` is that of the
        request, in UTC.
        """
        query = sa.select(sa.func.count()).select_from(jobs).where(*_where(**wanted))
        return int(self._value(query))

    def by_day(self, first: date, end: date) -> dict[tuple[date, JobState], int]:
        """How many jobs were requested on each day in UTC, by state: from `first`, before `end`."""
        day, number = (
            sa.func.date(jobs.c.requested_at).label("day"),
            sa.func.count().label("number"),
        )
        query = (
            sa.select(day, jobs.c.state, number.label("number"))
            .where(jobs.c.requested_at >= _midnight(first), jobs.c.requested_at < _midnight(end))
            .group_by(day, jobs.c.state)
        )
        return {  # SQLite gives text, MySQL a date
            (date.fromisoformat(str(row.day)), JobState(row.state)): int(row.number)
            for row in self._connection.execute(query)
        }

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
    day: date | None = None,
) -> list[sa.ColumnElement[bool]]:
    where = equal((jobs.c.kind, kind), (jobs.c.state, state), (jobs.c.actor, actor))
    if day is not None:
        last = _midnight(day) + timedelta(days=1, microseconds=-1)
        where.append(jobs.c.requested_at.between(_midnight(day), last))
    return [*where, _says(text.strip())] if text.strip() else where


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _says(text: str) -> sa.ColumnElement[bool]:
    logged = sa.select(job_logs.c.id).where(
        job_logs.c.job_id == jobs.c.id, job_logs.c.message.icontains(text, autoescape=True)
    )
    either = [jobs.c.error.icontains(text, autoescape=True), logged.exists()]
    number = text.removeprefix("#")
    if number.isascii() and number.isdecimal() and len(number) < _LONGEST_NUMBER:
        either.append(jobs.c.id == int(number))
    return sa.or_(*either)
