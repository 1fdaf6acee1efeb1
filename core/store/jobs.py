"""The job table: what was asked for, and what became of it.

A job is a row first and a queue entry second. While it runs, its lease says by whom; every
write of a running job is fenced by that lease, so that a run which was taken for dead and
replaced can no longer change anything.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core.errors import IllegalTransition, LeaseLost, Missing
from core.printable import printable
from core.records import Job, JobKind, JobState, LogLine
from core.tables import job_logs, jobs

_COLUMNS = [
    jobs.c[name]
    for name in (
        "id", "kind", "state", "attempt", "args", "actor", "requested_at", "started_at",
        "finished_at", "progress", "stage", "error", "result", "cancel_requested",
    )
]  # fmt: skip


def _job(row: sa.Row[Any]) -> Job:
    fields = dict(row._mapping)
    return Job(**fields | {"kind": JobKind(fields["kind"]), "state": JobState(fields["state"])})


class Jobs:
    """The jobs, as seen from inside one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def request(
        self, kind: JobKind, args: dict[str, Any], actor: str, *, key: str = ""
    ) -> tuple[Job, bool]:
        """Ask for a job, or find the one with the same key that is not over yet.

        Two transactions that ask at the same moment are told apart by a unique constraint:
        the second one finds the first one's job.

        Returns the job, and whether it is new.
        """
        key = key or kind.value
        values = {
            "kind": kind.value,
            "state": JobState.REQUESTED.value,
            "attempt": 1,
            "args": args,
            "actor": printable(actor)[:200],
            "requested_at": self._now,
            "progress": 0.0,
            "stage": "",
            "error": "",
            "result": {},
            "cancel_requested": False,
            "key": key,
            "active_key": key,
        }
        try:
            with self._connection.begin_nested():
                inserted = self._connection.execute(sa.insert(jobs).values(**values))
        except sa.exc.IntegrityError:
            row = self._connection.execute(
                sa.select(*_COLUMNS).where(jobs.c.active_key == key)
            ).one_or_none()
            # None: it ended between our insert and this look, so the way is free now.
            return (_job(row), False) if row else self.request(kind, args, actor, key=key)
        (job_id,) = inserted.inserted_primary_key or (0,)
        return self.get(int(job_id)), True

    def get(self, job_id: int) -> Job:
        """The job of that id.

        Raises:
            Missing: there is none.
        """
        row = self._connection.execute(
            sa.select(*_COLUMNS).where(jobs.c.id == job_id)
        ).one_or_none()
        if row is None:
            raise Missing(f"There is no job {job_id}.")
        return _job(row)

    def recent(
        self, limit: int = 20, kind: JobKind | None = None, state: JobState | None = None
    ) -> list[Job]:
        """The newest jobs first."""
        query = sa.select(*_COLUMNS).order_by(jobs.c.id.desc()).limit(limit)
        if kind:
            query = query.where(jobs.c.kind == kind.value)
        if state:
            query = query.where(jobs.c.state == state.value)
        return [_job(row) for row in self._connection.execute(query)]

    def open(self) -> list[Job]:
        """Every job that is not over, oldest first."""
        query = sa.select(*_COLUMNS).where(jobs.c.active_key.is_not(None)).order_by(jobs.c.id)
        return [_job(row) for row in self._connection.execute(query)]

    def mark_queued(self, job_id: int, attempt: int) -> None:
        """Note that Redis has it; nothing happens if a worker was faster."""
        self._change(
            jobs.c.id == job_id,
            jobs.c.attempt == attempt,
            jobs.c.state == JobState.REQUESTED.value,
            state=JobState.QUEUED.value,
        )

    def claim(self, job_id: int, attempt: int, owner: str, lease: timedelta) -> Job | None:
        """Start running a job, or None if this attempt is not waiting to be run (any more)."""
        claimed = self._change(
            jobs.c.id == job_id,
            jobs.c.attempt == attempt,
            jobs.c.state.in_([JobState.REQUESTED.value, JobState.QUEUED.value]),
            state=JobState.RUNNING.value,
            started_at=self._now,
            finished_at=None,
            progress=0.0,
            stage="starting",
            error="",
            lease_owner=owner,
            lease_until=self._now + lease,
        )
        return self.get(job_id) if claimed else None

    def heartbeat(self, job_id: int, owner: str, lease: timedelta) -> bool:
        """Renew the lease; says whether somebody wants the job cancelled.

        Raises:
            LeaseLost: another run has the job.
        """
        self.fence(job_id, owner, lease_until=self._now + lease)
        return self.get(job_id).cancel_requested

    def progress(self, job_id: int, owner: str, share: float, stage: str) -> None:
        """Say how far the job is, from 0 to 1.

        Raises:
            LeaseLost: another run has the job.
        """
        self.fence(job_id, owner, progress=min(max(share, 0.0), 1.0), stage=stage[:200])

    def fence(self, job_id: int, owner: str, **values: Any) -> None:
        """Let only the run that holds the lease pass; locks the job's row until the commit.

        Raises:
            LeaseLost: another run has the job, or it is over.
        """
        held = self._change(
            jobs.c.id == job_id,
            jobs.c.state == JobState.RUNNING.value,
            jobs.c.lease_owner == owner,
            **(values or {"lease_owner": owner}),
        )
        if not held:
            raise LeaseLost(f"Job {job_id} was taken over by another worker.")

    def finish(
        self,
        job_id: int,
        owner: str,
        state: JobState,
        *,
        error: str = "",
        result: dict[str, Any] | None = None,
    ) -> None:
        """End a run.

        Raises:
            LeaseLost: another run has the job.
        """
        over: dict[str, Any] = {"progress": 1.0} if state is JobState.SUCCEEDED else {}
        self.fence(
            job_id,
            owner,
            state=state.value,
            error=error,
            result=result or {},
            finished_at=self._now,
            active_key=None,
            lease_owner=None,
            lease_until=None,
            **over,
        )

    def cancel(self, job_id: int) -> Job:
        """Cancel a waiting job at once; ask a running one to stop.

        Raises:
            IllegalTransition: the job is over.
        """
        waiting = self._change(
            jobs.c.id == job_id,
            jobs.c.state.in_([JobState.REQUESTED.value, JobState.QUEUED.value]),
            state=JobState.CANCELLED.value,
            finished_at=self._now,
            active_key=None,
        )
        if not waiting and not self._change(
            jobs.c.id == job_id, jobs.c.state == JobState.RUNNING.value, cancel_requested=True
        ):
            job = self.get(job_id)
            raise IllegalTransition(f"Job {job_id} is {job.state} already.")
        return self.get(job_id)

    def retry(self, job_id: int) -> Job:
        """Ask once more for a job that failed or was cancelled.

        Raises:
            IllegalTransition: it is not over, it succeeded, or one like it is under way.
        """
        try:
            with self._connection.begin_nested():
                again = self._change(
                    jobs.c.id == job_id,
                    jobs.c.state.in_([JobState.FAILED.value, JobState.CANCELLED.value]),
                    **self._anew(),
                    active_key=jobs.c.key,
                )
        except sa.exc.IntegrityError:
            raise IllegalTransition("A job like this one is under way already.") from None
        if not again:
            raise IllegalTransition(f"Job {job_id} is {self.get(job_id).state}; nothing to retry.")
        return self.get(job_id)

    def release(self, job_id: int, attempt: int) -> None:
        """End the lease of an attempt whose process is known to be dead."""
        self._change(
            jobs.c.id == job_id,
            jobs.c.attempt == attempt,
            jobs.c.state == JobState.RUNNING.value,
            lease_until=self._now,
        )

    def overdue(self) -> list[Job]:
        """Jobs that are said to run, but whose lease has run out."""
        query = sa.select(*_COLUMNS).where(
            jobs.c.state == JobState.RUNNING.value, jobs.c.lease_until <= self._now
        )
        return [_job(row) for row in self._connection.execute(query)]

    def take_over(self, job: Job, max_attempts: int) -> Job:
        """Decide about an overdue job: cancelled if that was wanted, else again, else failed.

        Compare-and-set on the attempt and the lease, so that two reconcilers, or a run that
        was only slow, cannot be acted on twice.
        """
        if job.cancel_requested:
            values = self._over(JobState.CANCELLED, "")
        elif job.attempt >= max_attempts:
            values = self._over(
                JobState.FAILED,
                f"The worker died in each of {job.attempt} attempts. "
                "See the worker's log, then retry.",
            )
        else:
            values = self._anew()
        self._change(
            jobs.c.id == job.id,
            jobs.c.attempt == job.attempt,
            jobs.c.state == JobState.RUNNING.value,
            jobs.c.lease_until <= self._now,
            **values,
        )
        return self.get(job.id)

    def _anew(self) -> dict[str, Any]:
        return {
            "state": JobState.REQUESTED.value,
            "attempt": jobs.c.attempt + 1,
            "requested_at": self._now,
            "finished_at": None,
            "progress": 0.0,
            "stage": "",
            "error": "",
            "cancel_requested": False,
            "lease_owner": None,
            "lease_until": None,
        }

    def _over(self, state: JobState, error: str) -> dict[str, Any]:
        return {
            "state": state.value,
            "error": error,
            "finished_at": self._now,
            "active_key": None,
            "lease_owner": None,
            "lease_until": None,
        }

    def _change(self, *where: sa.ColumnElement[bool], **values: Any) -> bool:
        """Update where everything holds; says whether a row was matched."""
        result = self._connection.execute(sa.update(jobs).where(*where).values(**values))
        return result.rowcount > 0

    def log(self, job_id: int, message: str, level: str = "info") -> None:
        """Add a line to the job's log."""
        self._connection.execute(
            sa.insert(job_logs).values(
                job_id=job_id, at=self._now, level=level, message=message[:4000]
            )
        )

    def lines(self, job_id: int, limit: int = 200) -> list[LogLine]:
        """The last lines of a job's log, oldest first."""
        query = (
            sa.select(job_logs.c.at, job_logs.c.level, job_logs.c.message)
            .where(job_logs.c.job_id == job_id)
            .order_by(job_logs.c.id.desc())
            .limit(limit)
        )
        return [LogLine(*row) for row in self._connection.execute(query)][::-1]
