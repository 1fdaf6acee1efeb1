"""When a job's process is ended from outside, and when it is left alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.domain.jobs import Job, JobKind, JobState
from workers.runtime.watchdog import GRACE, LOOK_EVERY, TIDYING, Cause, Judgement

STILL = 30.0


def a_job(**changes: Any) -> Job:
    fields: dict[str, Any] = {
        "id": 1, "kind": JobKind.TRAIN, "state": JobState.RUNNING, "attempt": 1, "args": {},
        "actor": "ana", "requested_at": datetime(2026, 11, 23, tzinfo=UTC), "started_at": None,
        "finished_at": None, "progress": 0.0, "stage": "", "error": "", "result": {},
        "cancel_requested": False,
    }  # fmt: skip
    return Job(**fields | changes)


def looks(
    job: Job | None, *, seconds: float, beats: bool = True, announced: bool = False
) -> list[Cause | None]:
    judgement = Judgement(1, STILL, 0.0)
    count = int(seconds / LOOK_EVERY)
    return [
        judgement.see(n * LOOK_EVERY, n if beats else 0, job, announced=announced)
        for n in range(1, count + 1)
    ]


def test_a_process_that_works_is_left_alone() -> None:
    assert set(looks(a_job(), seconds=2 * STILL)) == {None}
    assert set(looks(None, seconds=2 * STILL)) == {None}  # the database is away


@pytest.mark.parametrize("announced", [False, True])
def test_a_cancelled_one_has_a_moment_to_stop_by_itself(*, announced: bool) -> None:
    seen = looks(a_job(cancel_requested=not announced), seconds=4.0, announced=announced)
    first = next(n for n, cause in enumerate(seen, 1) if cause) * LOOK_EVERY
    assert GRACE < first < 5.0  # seconds, the promise to who cancels
    assert seen[-1] is Cause.CANCELLED


def test_one_that_was_taken_over_is_ended() -> None:
    seen = looks(a_job(attempt=2), seconds=TIDYING + 2)
    assert seen[int(TIDYING / LOOK_EVERY) - 1] is None  # it may take back what it did too late
    assert seen[-1] is Cause.OVERTAKEN


def test_one_whose_job_has_ended_may_tidy_up() -> None:
    done = a_job(state=JobState.SUCCEEDED, cancel_requested=True)
    assert set(looks(done, seconds=2 * STILL)) == {None}
    assert set(looks(done, seconds=2 * STILL, announced=True)) == {None}


def test_one_that_stands_still_for_a_lease_is_ended() -> None:
    seen = looks(a_job(), seconds=STILL + 2, beats=False)
    assert seen[int(STILL / LOOK_EVERY) - 1] is None
    assert seen[-1] is Cause.FROZEN


def test_time_in_which_the_parent_stood_still_as_well_does_not_count() -> None:
    judgement = Judgement(1, STILL, 0.0)
    assert judgement.see(0.5, 7, a_job()) is None
    assert judgement.see(1000.0, 7, a_job()) is None
    assert judgement.see(1000.5, 7, a_job()) is None
