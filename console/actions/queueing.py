"""Queueing a job that an action has recorded."""

from __future__ import annotations

from console.desk import Desk
from core.domain.jobs import Job, JobState
from core.usecases import queueing


def submit(desk: Desk, job: Job) -> Job:
    """Queue the job, or leave it to wait for its dataset's turn; see `core.usecases.queueing`.

    The action that recorded the job has checked the permission.
    """
    if job.state is not JobState.REQUESTED:
        return job
    return queueing.submit(desk.store, desk.queue, job, in_turn=bool(desk.settings.datasets))
