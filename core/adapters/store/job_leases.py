"""Running jobs: while a job runs, its lease names the run that may write for it.

Every write of a run is fenced by the lease, so a run that was taken for dead and replaced can no
longer change anything.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from core.adapters.store import job_result_json
from core.adapters.store.job_log import JobLog
from core.adapters.store.part import select
from core.adapters.store.run_counts import count_run
from core.adapters.store.tables import jobs
from core.domain.errors import LeaseLost, Missing
from core.domain.job_results import JobResult
from core.domain.jobs import Job, JobKind, JobState

DIED = "died"
"""The result of a run whose process died; other runs end with their job's state."""

RUN_RESULTS = (*(state.value.lower() for state in JobState if state.is_over), DIED)
"""Every result of a run, as it is counted."""

TRACE = "traceparent"
"""The argument that keeps a job's trace; readers see it as `Job.trace`."""

WAITING = jobs.c.state.in_([JobState.REQUESTED, JobState.QUEUED])
_RUNNING = jobs.c.state == JobState.RUNNING
_NO_LEASE = {"lease_owner": None, "lease_until": None}
UNSTARTED: dict[str, Any] = {
    "state": JobState.REQUESTED, "progress": 0.0, "stage": "", "error": "",
    "cancel_requested": False,
}  # fmt: skip
"""The columns of an attempt that was requested and has not begun."""

SELECT_JOB = select(Job, jobs, trace="", joined="")


def as_job(kind: JobKind, args: dict[str, Any], result: Any, **columns: Any) -> Job:
    """A job from a row of `SELECT_JOB`."""
    plain = {name: value for name, value in args.items() if name != TRACE}
    return Job(
        kind=kind,
        args=plain,
        trace=args.get(TRACE, ""),
        result=job_result_json.from_json(kind, result),
        **columns,
    )


class JobLeases(JobLog):
    """The runs of jobs, and the log lines that they write."""

    def get(self, job_id: int) -> Job:
        """The job with that id.

        Raises:
            Missing: there is none.
        """
        query = SELECT_JOB.where(jobs.c.id == job_id)
        for row in self._connection.execute(query):
            return as_job(**row._mapping)
        raise Missing(f"There is no job {job_id}.")

    def claim(self, job_id: int, attempt: int, owner: str, lease: timedelta) -> Job | None:
        """Start to run a job; None if this attempt does not wait to be run (any more)."""
        claimed = self._update(
            jobs,
            jobs.c.id == job_id,
            jobs.c.attempt == attempt,
            WAITING,
            state=JobState.RUNNING,
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
        """Renew the lease; returns whether cancelling was requested.

        Raises:
            LeaseLost: another run has the job.
        """
        self.fence(job_id, owner, lease_until=self._now + lease)
        return self.get(job_id).cancel_requested

    def progress(self, job_id: int, owner: str, share: float, stage: str) -> None:
        """Record how far the job is, from 0 to 1.

        Raises:
            LeaseLost: another run has the job.
        """
        self.fence(job_id, owner, progress=min(max(share, 0.0), 1.0), stage=stage[:200])

    def fence(self, job_id: int, owner: str, **values: Any) -> None:
        """Continue only for the run that holds the lease; locks the job's row until the commit.

        Raises:
            LeaseLost: another run has the job, or it is over.
        """
        mine = (jobs.c.id == job_id, _RUNNING, jobs.c.lease_owner == owner)
        if not self._update(jobs, *mine, **(values or {"lease_owner": owner})):
            raise LeaseLost(f"Job {job_id} was taken over by another worker.")

    def finish(
        self,
        job_id: int,
        owner: str,
        state: JobState,
        *,
        error: str = "",
        result: JobResult | None = None,
    ) -> None:
        """End a run.

        Raises:
            LeaseLost: another run has the job.
        """
        job = self.get(job_id)
        values = self._ended(state, error) | {"result": asdict(result) if result else {}}
        if state is JobState.SUCCEEDED:
            values["progress"] = 1.0
        self.fence(job_id, owner, **values)
        self._count(job, state.value.lower())

    def release(self, job_id: int, attempt: int) -> bool:
        """End the lease of an attempt whose process is known to be dead.

        It ends at the run's start, so that a transaction which began earlier, and waited for a
        lock meanwhile, sees it ended too.

        False: the attempt does not run any more; it ended, or was taken over.
        """
        return self._update(
            jobs,
            jobs.c.id == job_id,
            jobs.c.attempt == attempt,
            _RUNNING,
            lease_until=jobs.c.started_at,
        )

    def overdue(self, limit: int = 50) -> list[Job]:
        """Running jobs whose lease has expired; the longest overdue first."""
        query = SELECT_JOB.where(_RUNNING, jobs.c.lease_until <= self._now)
        return self._jobs(query.order_by(jobs.c.lease_until, jobs.c.id).limit(limit))

    def take_over(self, job: Job, max_attempts: int) -> Job | None:
        """Cancel an overdue job if that was requested, else retry it, else fail it.

        Compare-and-set on the attempt and the lease, so that two reconcilers, or a run that was
        only slow, cannot be acted on twice. None: nothing was decided, because the run has ended,
        has renewed its lease, or was taken over by another worker.
        """
        if job.cancel_requested:
            values = self._ended(JobState.CANCELLED)
        elif job.attempt >= max_attempts:
            values = self._ended(
                JobState.FAILED,
                f"The worker died in each of {job.attempt} attempts. "
                "See the worker's log, then retry.",
            )
        else:
            values = self._next_attempt()
        taken = self._update(
            jobs,
            jobs.c.id == job.id,
            jobs.c.attempt == job.attempt,
            _RUNNING,
            jobs.c.lease_until <= self._now,
            **values,
        )
        if not taken:
            return None
        self._count(job, DIED)
        return self.get(job.id)

    def _jobs(self, query: sa.Select[Any]) -> list[Job]:
        return [as_job(**row._mapping) for row in self._connection.execute(query)]

    def _count(self, job: Job, result: str) -> None:
        """Count a run that ends now."""
        seconds = (self._now - job.started_at).total_seconds() if job.started_at else None
        count_run(self._connection, job.kind.value, result, seconds)

    def _next_attempt(self) -> dict[str, Any]:
        requested = {"attempt": jobs.c.attempt + 1, "requested_at": self._now}
        return requested | {"finished_at": None} | UNSTARTED | _NO_LEASE

    def _ended(self, state: JobState, error: str = "") -> dict[str, Any]:
        ended = {"state": state, "error": error, "finished_at": self._now, "active_key": None}
        return ended | _NO_LEASE
