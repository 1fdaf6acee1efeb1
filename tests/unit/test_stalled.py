"""A job that does not move: why, in one sentence, some seconds after it should have moved."""

from __future__ import annotations

from datetime import timedelta

import pytest

from console.queries.workers import state_of
from core.adapters.rq_queue import WorkerInfo
from core.domain.jobs import Job, JobKind, JobState
from core.usecases.stalled_jobs import SILENT, SILENT_AT_WORK, TAKEN_WITHIN, why_it_waits
from tests.build import NOON

NOW = NOON + timedelta(minutes=5)
SECOND = timedelta(seconds=1)


def job(state: JobState = JobState.QUEUED, age: timedelta = TAKEN_WITHIN) -> Job:
    return Job(7, JobKind.DRIFT, state, 1, {}, "ana", NOW - age)


def worker(state: str, ago: timedelta, queue: str = "work", entry: str = "") -> WorkerInfo:
    return WorkerInfo("w1", queue, state, NOW - ago, None, entry)


@pytest.mark.parametrize(
    ("workers", "says"),
    [
        ([], "No worker of the queue work is alive"),
        ([worker("idle", SECOND, "desk")], "No worker of the queue work is alive"),
        ([worker("idle", SILENT + SECOND)], "python -m workers run --queue work"),
        ([worker("idle", 6 * SECOND)], "w1 (last heard 6 s ago). It may be frozen"),
        ([worker("busy", SILENT_AT_WORK + SECOND)], "w1 (last heard 16 s ago)"),
        ([worker("busy", SECOND)], ""),
        ([worker("busy", SECOND), worker("idle", SECOND)], ""),
    ],
)
def test_a_queued_job(workers: list[WorkerInfo], says: str) -> None:
    found = why_it_waits(job(), workers, NOW)
    assert says in found
    assert bool(says) == bool(found)


@pytest.mark.parametrize("state", JobState)
def test_a_job_that_is_young_or_not_in_line_is_left_alone(state: JobState) -> None:
    age = TAKEN_WITHIN - SECOND if state is JobState.QUEUED else 10 * TAKEN_WITHIN
    assert why_it_waits(job(state, age), [], NOW) == ""


def test_a_running_job_whose_worker_is_silent() -> None:
    mine = worker("busy", SILENT_AT_WORK + SECOND, entry="drift-7-1")
    other = worker("busy", SILENT_AT_WORK + SECOND, entry="drift-8-1")
    assert "may be frozen" in why_it_waits(job(JobState.RUNNING), [mine], NOW)
    assert why_it_waits(job(JobState.RUNNING), [other], NOW) == ""


@pytest.mark.parametrize(
    ("state", "ago", "told"),
    [
        ("busy", SECOND, "busy"),
        ("busy", SILENT_AT_WORK + SECOND, "silent"),
        ("idle", SILENT_AT_WORK + SECOND, "idle"),
        ("busy", SILENT + SECOND, "dead"),
    ],
)
def test_a_worker_that_missed_heartbeats_at_work_is_not_busy(
    state: str, ago: timedelta, told: str
) -> None:
    assert state_of(worker(state, ago), NOW) == told
