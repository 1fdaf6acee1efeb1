"""Queueing: a recorded job is put in line, where each dataset has at most one job of a queue.

With several datasets the others of a dataset wait as rows until that one has ended, so that a
dataset with a hundred jobs takes turns with one that has a single job, and holds one worker of a
queue at most. Within a dataset the oldest is the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from core.adapters.rq_queue import QUEUES, Queue
from core.adapters.store import Store
from core.domain.errors import QueueUnavailable
from core.domain.jobs import Job, JobKind, JobState

log = structlog.get_logger()


def ahead_of(job: Job, open_jobs: Sequence[Job]) -> Job | None:
    """The job that a REQUESTED one waits for; None if it is its turn.

    `open_jobs` are those of its dataset. One of its queue that runs or stands in line is ahead of
    all; else the oldest is next.
    """
    rivals = [other for other in open_jobs if QUEUES[other.kind] == QUEUES[job.kind]]
    first = min(rivals, key=_turn, default=job)
    return None if first.id == job.id or job.state is not JobState.REQUESTED else first


def _turn(job: Job) -> tuple[bool, float, int]:
    return job.state is JobState.REQUESTED, job.requested_at.timestamp(), job.id


def waits_for(other: Job) -> str:
    """Why a job waits whose turn comes after another's."""
    return (
        f"Waits for {other.kind.value} {other.id} of this dataset: a dataset has one job of a "
        "queue at a time, so that each gets its turn."
    )


def submit(store: Store, queue: Queue, job: Job, *, in_turn: bool) -> Job:
    """Put a requested job in line, or the one of its dataset whose turn it is; returns it as it is.

    `in_turn` is for desks with several datasets; else each job has a place in the line at once. If
    Redis refuses it, the job logs why and the reconciler queues it later.

    Raises:
        StoreUnavailable: the database is away.
    """
    if in_turn:
        with store.read() as work:
            first = ahead_of(job, work.jobs.open())
        if first and first.state is JobState.REQUESTED:
            _put(store, queue, first)  # older, and left behind by whoever requested it
        if first:
            log.info("waits for its turn", job=job.id, behind=first.id)
            with store.transaction() as work:
                work.jobs.log_once(job.id, waits_for(first))
            return job
    return replace(_put(store, queue, job), joined=job.joined)


def submit_next(store: Store, queue: Queue, kind: JobKind) -> None:
    """Put the dataset's next job in line, after one of this kind has ended.

    Raises:
        StoreUnavailable: the database is away.
    """
    with store.read() as work:
        jobs = [job for job in work.jobs.open() if QUEUES[job.kind] == QUEUES[kind]]
    waiting = [job for job in jobs if job.state is JobState.REQUESTED]
    for job in waiting:
        if ahead_of(job, jobs) is None:
            _put(store, queue, job)


def _put(store: Store, queue: Queue, job: Job) -> Job:
    try:
        queue.submit(job.kind, job.id, job.attempt, store.dataset.name)
    except QueueUnavailable as error:
        log.warning("not queued yet", job=job.id, reason=str(error))
        with store.transaction() as work:
            work.jobs.log_once(job.id, f"Waits to be queued. {error}", "warning")
        return job
    with store.transaction() as work:
        work.jobs.mark_queued(job.id, job.attempt)
        return work.jobs.get(job.id)
