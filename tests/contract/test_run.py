"""A run from inside: cancelling it, losing it, and what the reconciler does about the rest."""

from __future__ import annotations

import errno
import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from core.adapters.store import Store
from core.domain.errors import SourceUnavailable
from core.domain.job_results import SourceEnded
from core.domain.jobs import STAGE, JobKind, JobState
from core.domain.promotions import PromotionState
from core.platform.settings import Settings
from tests import build
from tests.build import proposed
from tests.fakes import FakeQueue, FakeRegistry
from tests.work import run_job
from workers.container import Container
from workers.reconciler.reconcile import reconcile
from workers.runtime.job_run import Run


def cancel(store: Store) -> None:
    with store.begin() as work:
        (job,) = work.jobs.open()
        work.jobs.cancel(job.id)
        work.commit()


def test_a_cancelled_job_stops_between_two_steps_and_writes_nothing(store: Store) -> None:
    def step(run: Run) -> None:
        cancel(store)
        while True:
            run.progress(0.5, "working")

    job = run_job(store, JobKind.DRIFT, step)
    assert (job.state, job.error) == (JobState.CANCELLED, "Cancelled on request.")


def test_a_cancelled_job_is_broken_off_in_the_middle_of_a_fit(store: Store) -> None:
    def step(run: Run) -> None:
        cancel(store)
        with run.interruptible():
            threading.Event().wait(60)
        pytest.fail("it was not broken off")

    assert run_job(store, JobKind.TRAIN, step).state is JobState.CANCELLED


def test_a_stage_is_logged_once_however_often_it_is_reported(store: Store) -> None:
    def step(run: Run) -> None:
        for share, stage in ((0.1, "reading"), (0.2, "reading"), (0.5, "fitting")):
            run.progress(share, stage, always=True)
        run.progress(0.6, "fitting: round 7")
        raise SourceUnavailable("The data API cannot be reached.")

    job = run_job(store, JobKind.TRAIN, step)
    with store.read() as work:
        lines = work.jobs.lines(job.id)
    assert [line.message for line in lines if line.level == STAGE] == ["reading", "fitting"]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "The disk is full (No space left on device at spool/x.part)"),
        (errno.EROFS, "The disk refused (Read-only file system at spool/x.part)"),
    ],
)
def test_a_disk_that_takes_nothing_is_named(store: Store, number: int, message: str) -> None:
    def step(run: Run) -> None:
        raise OSError(number, os.strerror(number), "spool/x.part")

    job = run_job(store, JobKind.INGEST, step)
    assert job.state is JobState.FAILED
    assert job.error.startswith(f"{message}; the job broke off.")


def test_what_goes_wrong_becomes_a_sentence(store: Store) -> None:
    def known(run: Run) -> None:
        raise SourceUnavailable("The data API cannot be reached.")

    def unknown(run: Run) -> None:
        raise ZeroDivisionError("division by zero")

    assert run_job(store, JobKind.DRIFT, known).error == "The data API cannot be reached."
    job = run_job(store, JobKind.DRIFT, unknown)
    assert job.state is JobState.FAILED
    assert "ZeroDivisionError" in job.error
    assert "Traceback" not in job.error


def test_a_run_that_was_replaced_keeps_nothing(store: Store) -> None:
    def step(run: Run) -> None:
        with store.begin() as work:
            work.jobs.release(run.job.id, 1)
            (overdue,) = work.jobs.overdue()
            work.jobs.take_over(overdue, 3)
            work.commit()
        with store.begin() as work:
            work.audit.add("zombie", "act", "job:1")
            run.complete(work, SourceEnded())

    job = run_job(store, JobKind.DRIFT, step)
    assert (job.state, job.attempt) == (JobState.REQUESTED, 2)
    with store.read() as work:
        assert work.audit.latest() == []


@pytest.fixture
def wiring(store: Store, tmp_path: Path) -> Container:
    settings = Settings(_env_file=None, data_dir=tmp_path, max_attempts=2)
    return Container(settings, store.dataset, store, FakeQueue(), FakeRegistry())  # type: ignore[arg-type]


def later(wiring: Container, seconds: float) -> Container:
    clock = wiring.store._clock
    moved = Store(
        wiring.store.engine, wiring.dataset, clock=lambda: clock() + timedelta(seconds=seconds)
    )
    return Container(wiring.settings, wiring.dataset, moved, wiring.queue, wiring.registry)


def test_a_job_that_no_queue_knows_is_queued_again(wiring: Container) -> None:
    with wiring.store.begin() as work:
        job, _ = work.jobs.request(JobKind.TRAIN, {}, "ana")
        work.commit()
    reconcile(wiring)
    assert wiring.queue.waiting() == {f"train-{job.id}-1"}
    wiring.queue.entries.clear()  # type: ignore[attr-defined]  # Redis is wiped
    reconcile(wiring)
    assert wiring.queue.waiting() == set()  # it may be on its way to a worker
    reconcile(later(wiring, 6))
    assert wiring.queue.waiting() == {f"train-{job.id}-1"}


def test_with_redis_away_the_reconciler_waits(wiring: Container) -> None:
    with wiring.store.begin() as work:
        work.jobs.request(JobKind.TRAIN, {}, "ana")
        work.commit()
    wiring.queue.away = True  # type: ignore[attr-defined]
    reconcile(wiring)
    wiring.queue.away = False  # type: ignore[attr-defined]
    reconcile(wiring)
    assert len(wiring.queue.waiting()) == 1


def test_a_dead_run_is_tried_again_and_then_given_up(wiring: Container) -> None:
    with wiring.store.begin() as work:
        job, _ = work.jobs.request(JobKind.TRAIN, {}, "ana")
        work.commit()
    for attempt in (1, 2):
        assert Run.claim(wiring.store, job.id, attempt, timedelta(seconds=1))
        reconcile(later(wiring, 5))
    with wiring.store.read() as work:
        ended = work.jobs.get(job.id)
        lines = [line.message for line in work.jobs.lines(job.id)]
    assert ended.state is JobState.FAILED
    assert "2 attempts" in ended.error
    assert "Worker lost; retrying (attempt 2)." in lines


def test_a_promotion_whose_job_died_is_settled_and_the_alias_put_back(wiring: Container) -> None:
    registry = wiring.registry
    for job_name in ("1", "2"):
        registry.publish(
            job_name.encode(), job=job_name, parameters={}, metrics={}, tags={}, signature=None,
            requirements=[],
        )  # fmt: skip
    proposed(wiring.store, 1)
    with wiring.store.begin() as work:
        job = build.approve(work, 1)
        work.jobs.cancel(job.id)
        work.commit()
    registry.set_champion(1)  # the job came as far as this
    reconcile(wiring)
    assert registry.champion() is None
    with wiring.store.read() as work:
        assert work.promotions.of_version(1).state is PromotionState.FAILED
        assert work.audit.latest()[0].action == "promotion failed"
