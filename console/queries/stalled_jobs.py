"""Open jobs that make no progress, and the reason that pages and the command line show."""

from __future__ import annotations

from console.desk import Desk
from core.domain.errors import QueueUnavailable
from core.domain.jobs import JobState
from core.usecases.queueing import ahead_of
from core.usecases.stalled_jobs import TAKEN_WITHIN, why_it_waits


def disabled(desk: Desk) -> str:
    """That the desk's dataset is disabled, so that its jobs wait; empty if it is not.

    Raises:
        StoreUnavailable: the database is unavailable.
    """
    name = desk.dataset.name
    with desk.store.desk() as every:
        known = every.known().get(name)
    if known is None or not known.is_disabled:
        return ""
    return f"The dataset is disabled, so no job runs. Enable it: driftdesk dataset enable {name}"


def stuck(desk: Desk) -> dict[int, str]:
    """A sentence for each open job that makes no progress, by the job's id.

    Raises:
        StoreUnavailable: the database is unavailable.
    """
    with desk.store.read() as work:
        jobs, now = work.jobs.open(), work.now
    if not jobs:
        return {}
    if why := disabled(desk):
        return {j.id: why for j in jobs if j.state in (JobState.REQUESTED, JobState.QUEUED)}
    try:
        workers = desk.queue.workers()
    except QueueUnavailable as error:
        waiting = (j for j in jobs if j.state in (JobState.REQUESTED, JobState.QUEUED))
        return {j.id: str(error) for j in waiting if now - j.requested_at >= TAKEN_WITHIN}
    several = bool(desk.settings.datasets)
    return {
        job.id: why
        for job in jobs
        if (why := why_it_waits(job, workers, now, ahead_of(job, jobs) if several else None))
    }
