"""Attempts of a job in processes that may die, and what the reconciler makes of that."""

from __future__ import annotations

import os
from typing import Any

from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.jobs import Job, JobKind, JobState
from tests.work import LEASE, OneStep
from workers.jobs import run_to_its_end
from workers.runtime.job_run import Run

MOST = 3

FORKS = "ignore:This process .* is multi-threaded:DeprecationWarning"
"""The warning of newer Pythons, for tests whose other threads only serve a socket."""


def to_its_end(store: Store, url: str, dataset: Dataset, step: Any) -> tuple[Job, int]:
    """Run an ingest job in forked processes until it is over; also says how many died."""
    died = 0
    with store.begin() as work:
        job, _ = work.jobs.request(JobKind.INGEST, {}, "ana")
        work.commit()
    while not job.state.is_over:
        died += _dies(url, dataset, job, step)
        with store.read() as work:
            job = work.jobs.get(job.id)
        if job.state is JobState.RUNNING:
            job = _taken_over(store, job)
    return job, died


def _dies(url: str, dataset: Dataset, job: Job, step: Any) -> bool:
    """Run one attempt in a child; says whether a signal ended it."""
    child = os.fork()
    if not child:
        try:
            run = Run.claim(Store.open(url, dataset), job.id, job.attempt, LEASE)
            assert run
            run_to_its_end(run, OneStep(step))  # type: ignore[arg-type]
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _taken_over(store: Store, job: Job) -> Job:
    """What worker and reconciler do about a job whose process died."""
    with store.begin() as work:
        work.jobs.release(job.id, job.attempt)
        work.commit()
    with store.begin() as work:
        (overdue,) = work.jobs.overdue()
        after = work.jobs.take_over(overdue, MOST)
        work.commit()
    return after
