"""Why an open job makes no progress: the workers that should run it, and their last reports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from core.adapters.rq_queue import QUEUES, WorkerInfo, entry_id
from core.domain.jobs import Job, JobState
from core.usecases.queueing import waits_for

TAKEN_WITHIN = timedelta(seconds=5)
"""An idle worker takes a queued job at once; after this time, something is wrong."""

SILENT_AT_WORK = timedelta(seconds=15)
"""A worker sends a heartbeat every 5 s while it works; three missed ones are reported."""

SILENT = timedelta(seconds=45)
"""An idle worker sends a heartbeat every 15 s; three missed ones are reported."""


def why_it_waits(
    job: Job, workers: Sequence[WorkerInfo], now: datetime, ahead: Job | None = None
) -> str:
    """Why an open job makes no progress, in one sentence; empty if all is well.

    `ahead` is the job of its dataset whose turn comes first.
    """
    if ahead:
        return waits_for(ahead)
    mine = [w for w in workers if QUEUES[job.kind] in w.queue.split(",")]
    if job.state is JobState.RUNNING:
        return _silent_at_work(job, mine, now)
    if job.state is not JobState.QUEUED or now - job.requested_at < TAKEN_WITHIN:
        return ""
    return _nobody_took_it(job, mine, now)


def _silent_at_work(job: Job, workers: Sequence[WorkerInfo], now: datetime) -> str:
    entry = entry_id(job.kind, job.id, job.attempt)
    for w in workers:
        if w.entry == entry and w.heartbeat and now - w.heartbeat > SILENT_AT_WORK:
            return (
                f"The worker of this job, {w.name}, was last heard {_seconds(w, now)} s ago: it "
                "may be frozen. If it stays silent, another worker takes the job over."
            )
    return ""


def _nobody_took_it(job: Job, workers: Sequence[WorkerInfo], now: datetime) -> str:
    queue = QUEUES[job.kind]
    heard = [w for w in workers if w.heartbeat and now - w.heartbeat <= SILENT]
    if not heard:
        return (
            f"No worker of the queue {queue} is alive, so this job does not start. Start one: "
            f"python -m workers run --queue {queue}."
        )
    if any(_is_at_work(w, now) for w in heard):
        return ""
    names = ", ".join(f"{w.name} (last heard {_seconds(w, now)} s ago)" for w in heard)
    return (
        f"No worker of the queue {queue} takes this job, though one should be free: {names}. It "
        "may be frozen; restart it."
    )


def _is_at_work(worker: WorkerInfo, now: datetime) -> bool:
    """Whether a worker is busy with another job, and sends its heartbeats."""
    if worker.state != "busy" or worker.heartbeat is None:
        return False
    return now - worker.heartbeat <= SILENT_AT_WORK


def _seconds(worker: WorkerInfo, now: datetime) -> int:
    return int((now - worker.heartbeat).total_seconds()) if worker.heartbeat else 0
