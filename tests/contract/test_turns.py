"""Turns: with several datasets each has one place in a queue, and nothing that waits is lost."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from core.adapters.rq_queue import QUEUES
from core.adapters.store import Store
from core.adapters.store.migrate import prepare_dataset
from core.domain.errors import QueueRefused
from core.domain.jobs import JobKind, JobState
from core.platform.settings import Settings
from core.usecases import queueing
from tests.build import small_dataset
from tests.fakes import FakeQueue, FakeRegistry
from workers.container import Container
from workers.reconciler.reconcile import requeue

LEASE = timedelta(seconds=30)


class Two:
    """Two datasets in one database, with one queue."""

    def __init__(self, store: Store, url: str, folder: Path) -> None:
        rides = small_dataset()
        prepare_dataset(url, rides)
        self.queue = FakeQueue()
        settings = Settings(_env_file=None, datasets=str(folder), data_dir=folder)
        self.homes, self.rides = (
            Container(settings, at.dataset, at, self.queue, FakeRegistry())  # type: ignore[arg-type]
            for at in (store, store.for_dataset(rides))
        )

    def ask(self, of: Container, kind: JobKind, count: int = 1) -> list[int]:
        """Request so many jobs of a kind, as steps and schedules do."""
        ids = []
        for _ in range(count):
            with of.store.transaction() as work:
                job, _ = work.jobs.request(kind, {}, "ana", key=f"{kind}:{len(work.jobs.open())}")
            of.submit(job.id)
            ids.append(job.id)
        return ids

    def line(self, queue: str = "work") -> list[int]:
        return [job_id for kind, job_id, _ in self.queue.entries if QUEUES[kind] == queue]

    def take(self) -> int:
        """What a worker does with the first entry of the queue `work`, to the job's end."""
        first = next(entry for entry in self.queue.entries if QUEUES[entry[0]] == "work")
        self.queue.entries.remove(first)
        kind, job_id, attempt = first
        with self.homes.store.desk() as work:
            name = work.dataset_of_job(job_id)
        of = self.homes if name == self.homes.dataset.name else self.rides
        with of.store.transaction() as work:
            assert work.jobs.claim(job_id, attempt, "me", LEASE)
        requeue(of)  # while it runs, the reconciler puts no other one there
        assert job_id not in self.line()
        with of.store.read() as work:
            waiting = {job.id for job in work.jobs.open()} - {job_id}
        assert not waiting & set(self.line())
        with of.store.transaction() as work:
            work.jobs.finish(job_id, "me", JobState.SUCCEEDED)
        of.submit_next(kind)
        return job_id


@pytest.fixture
def two(store: Store, database_url: str, tmp_path: Path) -> Two:
    return Two(store, database_url, tmp_path)


def state(of: Container, job_id: int) -> JobState:
    with of.store.read() as work:
        return work.jobs.get(job_id).state


def test_a_dataset_with_many_jobs_keeps_no_other_waiting(two: Two) -> None:
    many = two.ask(two.homes, JobKind.DRIFT, 4)
    assert two.line() == many[:1]
    one = two.ask(two.rides, JobKind.DRIFT)
    assert two.line() == [many[0], one[0]]
    assert [two.take() for _ in range(5)] == [many[0], one[0], *many[1:]]
    assert two.line() == []


def test_the_oldest_of_a_dataset_is_next_and_each_queue_has_a_place_of_its_own(two: Two) -> None:
    first, second = two.ask(two.homes, JobKind.INGEST) + two.ask(two.homes, JobKind.DRIFT)
    trained = two.ask(two.homes, JobKind.TRAIN)
    promoted = two.ask(two.homes, JobKind.PROMOTE)
    assert (two.line(), two.line("train"), two.line("desk")) == ([first], trained, promoted)
    assert [state(two.homes, n) for n in (first, second)] == [JobState.QUEUED, JobState.REQUESTED]
    assert [two.take(), two.take()] == [first, second]


def test_a_job_that_waits_says_for_which(two: Two) -> None:
    first, second = two.ask(two.homes, JobKind.DRIFT, 2)
    with two.homes.store.read() as work:
        jobs = work.jobs.open()
        (line,) = work.jobs.lines(second)
    before, after = (queueing.ahead_of(job, jobs) for job in jobs)
    assert before is None
    assert after
    assert after.id == first
    assert line.message.startswith(f"Waits for drift {first} of this dataset")


def test_what_a_wiped_redis_lost_comes_back_in_turn(two: Two) -> None:
    many = two.ask(two.homes, JobKind.DRIFT, 3)
    one = two.ask(two.rides, JobKind.DRIFT)
    two.queue.entries.clear()
    _age(two)
    for of in (two.homes, two.rides):
        requeue(of)
        requeue(of)
    assert two.line() == [many[0], one[0]]
    assert sorted(two.take() for _ in range(4)) == sorted([*many, *one])


def test_a_job_that_redis_refused_goes_first_when_it_takes_jobs_again(two: Two) -> None:
    two.queue.refuses = "full"
    first, second = two.ask(two.homes, JobKind.DRIFT, 2)
    assert two.line() == []
    with pytest.raises(QueueRefused):
        two.queue.try_write()
    two.queue.refuses = ""
    requeue(two.homes)
    assert two.line() == [first]
    assert state(two.homes, second) is JobState.REQUESTED


def test_the_next_has_its_turn_where_the_first_was_cancelled(two: Two) -> None:
    first, second = two.ask(two.homes, JobKind.DRIFT, 2)
    with two.homes.store.transaction() as work:
        job = work.jobs.cancel(first)
    two.queue.drop(job.kind, job.id, job.attempt)
    requeue(two.homes)
    assert two.line() == [second]


def test_a_desk_with_one_dataset_queues_all_at_once(store: Store, tmp_path: Path) -> None:
    queue = FakeQueue()
    settings = Settings(_env_file=None, data_dir=tmp_path)
    of = Container(settings, store.dataset, store, queue, FakeRegistry())  # type: ignore[arg-type]
    for n in range(3):
        with store.transaction() as work:
            job, _ = work.jobs.request(JobKind.DRIFT, {}, "ana", key=str(n))
        of.submit(job.id)
        of.submit_next(job.kind)
    assert len(queue.entries) == 3


def _age(two: Two) -> None:
    """Let what was requested be older than the reconciler's patience."""
    with two.homes.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET requested_at = '2026-01-01 00:00:00'")
