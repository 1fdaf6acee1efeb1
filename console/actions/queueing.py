"""Queueing a job that an action has recorded."""

from __future__ import annotations

from dataclasses import replace

from console.desk import Desk
from core.domain.errors import QueueUnavailable
from core.domain.jobs import Job, JobState


def submit(desk: Desk, job: Job) -> Job:
    """Queue the job; if Redis refuses it, the job logs why and the reconciler queues it later.

    The action that recorded the job has checked the permission.
    """
    if job.state is not JobState.REQUESTED:
        return job
    try:
        desk.queue.submit(job.kind, job.id, job.attempt)
    except QueueUnavailable as error:
        with desk.store.transaction() as work:
            work.jobs.log_once(job.id, f"Waits to be queued. {error}", "warning")
        return job
    with desk.store.transaction() as work:
        work.jobs.mark_queued(job.id, job.attempt)
        return replace(work.jobs.get(job.id), joined=job.joined)
