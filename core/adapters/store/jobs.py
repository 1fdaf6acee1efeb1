"""The job table: what was requested, and what became of it.

A job is a row first and a queue entry second. Its runs are in `core.adapters.store.job_leases`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.adapters.store.job_leases import SELECT_JOB, TRACE, UNSTARTED, WAITING, JobLeases
from core.adapters.store.part import equal
from core.adapters.store.run_counts import count_run
from core.adapters.store.tables import jobs
from core.domain.errors import IllegalTransition
from core.domain.jobs import Job, JobKind, JobState
from core.domain.safe_text import printable
from core.platform import tracing


class Jobs(JobLeases):
    """The jobs, their runs and their log lines; bound to one transaction."""

    def request(
        self, kind: JobKind, args: dict[str, Any], actor: str, *, key: str = ""
    ) -> tuple[Job, bool]:
        """Request a job, or find the open one with the same key.

        The job belongs to the current trace, or begins one. A unique constraint decides between
        two transactions that request at once: the second one finds the first one's job.

        Returns the job, and whether it is new.
        """
        key = key or kind.value
        try:
            with self._connection.begin_nested():
                job_id = self._insert(
                    jobs,
                    **UNSTARTED,
                    kind=kind,
                    attempt=1,
                    args=args | {TRACE: tracing.here() or tracing.new()},
                    actor=printable(actor)[:200],
                    requested_at=self._now,
                    result={},
                    key=key,
                    active_key=key,
                )
        except sa.exc.IntegrityError:
            same = self._jobs(SELECT_JOB.where(jobs.c.active_key == key))
            # Empty: that job ended between our insert and this query, so the key is free now.
            return (same[0], False) if same else self.request(kind, args, actor, key=key)
        return self.get(job_id), True

    def recent(
        self, limit: int = 20, kind: JobKind | None = None, state: JobState | None = None
    ) -> list[Job]:
        """The newest jobs first."""
        query = SELECT_JOB.where(*equal((jobs.c.kind, kind), (jobs.c.state, state)))
        return self._jobs(query.order_by(jobs.c.id.desc()).limit(limit))

    def open(self) -> list[Job]:
        """Every job that is not over, oldest first."""
        return self._jobs(SELECT_JOB.where(jobs.c.active_key.is_not(None)).order_by(jobs.c.id))

    def asked_since(self, key: str, at: datetime) -> bool:
        """Whether a job with that key was requested at that time or later."""
        query = sa.select(jobs.c.id).where(jobs.c.key == key, jobs.c.requested_at >= at)
        return self._value(query.limit(1)) is not None

    def newest_of(self, key: str, state: JobState | None = None) -> Job | None:
        """The newest job with that key, and in that state if one is given; None without one."""
        newest = self.latest_of(key, state, limit=1)
        return newest[0] if newest else None

    def latest_of(self, key: str, state: JobState | None = None, limit: int = 20) -> list[Job]:
        """The jobs with that key, and in that state if one is given, the newest first."""
        query = SELECT_JOB.where(jobs.c.key == key, *equal((jobs.c.state, state)))
        return self._jobs(query.order_by(jobs.c.id.desc()).limit(limit))

    def mark_queued(self, job_id: int, attempt: int) -> None:
        """Record that it is in Redis, unless a worker has claimed it already."""
        waits = (jobs.c.attempt == attempt, jobs.c.state == JobState.REQUESTED)
        self._update(jobs, jobs.c.id == job_id, *waits, state=JobState.QUEUED)

    def cancel(self, job_id: int) -> Job:
        """Cancel a waiting job, or one whose lease has expired; request a running one to stop.

        Raises:
            IllegalTransition: the job is over.
        """
        this = jobs.c.id == job_id
        if self._update(jobs, this, WAITING, **self._ended(JobState.CANCELLED)):
            job = self.get(job_id)
            count_run(self._connection, job.kind.value, job.state.value.lower(), None)
            return job
        if not self._update(jobs, this, jobs.c.state == JobState.RUNNING, cancel_requested=True):
            raise IllegalTransition(f"Job {job_id} {self.get(job_id).state.in_words} already.")
        job = self.get(job_id)
        return self.take_over(job, job.attempt) or job

    def retry(self, job_id: int) -> Job:
        """Request a job again that failed or was cancelled.

        Raises:
            IllegalTransition: it is not over, it succeeded, or one like it is under way.
        """
        is_retryable = jobs.c.state.in_([JobState.FAILED, JobState.CANCELLED])
        try:
            with self._connection.begin_nested():
                again = self._update(
                    jobs,
                    jobs.c.id == job_id,
                    is_retryable,
                    **self._next_attempt(),
                    active_key=jobs.c.key,
                )
        except sa.exc.IntegrityError:
            raise IllegalTransition("A job like this one is under way already.") from None
        if not again:
            state = self.get(job_id).state
            raise IllegalTransition(f"Job {job_id} {state.in_words}; there is nothing to retry.")
        return self.get(job_id)
