"""What the reconciler offers: figures that are true, monotonic, cheap, and missing when unknown."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import sqlalchemy as sa

from core.adapters.rq_queue import WorkerInfo
from core.adapters.store import Store
from core.adapters.store.run_counts import count_run
from core.adapters.store.tables import jobs
from core.domain.batches import QuarantinedRow
from core.domain.dataset import Dataset
from core.domain.drift import DriftReport, Reason, Reference
from core.domain.jobs import Job, JobKind, JobState
from core.rules.drift.batch_verdict import Stand
from core.rules.ops.notification import Event
from tests import build
from tests.fakes import FakeQueue
from tests.monitoring.scrape import Samples, collected
from workers.runtime.metrics import Pipeline

LEASE = timedelta(seconds=30)


NAME = "real_estate"


class Clock:
    """A time that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.at = build.NOON

    def __call__(self) -> datetime:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database_url: str, dataset: Dataset, clock: Clock) -> Iterator[Store]:
    opened = Store.open(database_url, dataset)
    timed = Store(opened.engine, dataset, clock)
    yield timed
    timed.close()


def look(store: Store, queue: FakeQueue | None = None) -> Samples:
    seen = collected([Pipeline(lambda: [store], queue or FakeQueue())])  # type: ignore[arg-type]
    return seen.of(store.dataset.name)


def request(store: Store, kind: JobKind = JobKind.TRAIN) -> Job:
    with store.begin() as work:
        job, _ = work.jobs.request(kind, {}, "ana")
        work.commit()
    return job


def claim(store: Store, job: Job, attempt: int = 1) -> None:
    with store.begin() as work:
        assert work.jobs.claim(job.id, attempt, f"me{attempt}", LEASE)
        work.commit()


def end(store: Store, job: Job, state: JobState, attempt: int = 1) -> None:
    with store.begin() as work:
        work.jobs.finish(job.id, f"me{attempt}", state)
        work.commit()


def test_a_new_desk_has_figures_and_no_champion(store: Store) -> None:
    seen = look(store)
    assert seen.get("database_up") == seen.get("queue_up") == 1
    assert seen.get("candidates_waiting") == 0
    assert (
        seen.get("jobs_waiting", queue="work") == seen.get("queue_age_seconds", queue="work") == 0
    )
    assert seen.get("workers_alive", queue="desk") == 0
    # Prometheus would not see the first failure in a count that begins with it.
    assert seen.get("jobs_total", kind="train", result="failed") == 0
    for unknown in ("champion_version", "batch_number", "batch_age_seconds", "live_window_drifted"):
        assert seen.get(unknown) is None


def test_runs_are_counted_by_how_they_ended_and_how_long_they_took(
    store: Store, clock: Clock
) -> None:
    for state, seconds in (
        (JobState.SUCCEEDED, 3),
        (JobState.SUCCEEDED, 40),
        (JobState.FAILED, 9e4),
    ):
        job = request(store)
        claim(store, job)
        clock.pass_(seconds)
        end(store, job, state)
    seen = look(store)
    assert seen.get("jobs_total", kind="train", result="succeeded") == 2
    assert seen.get("jobs_total", kind="train", result="failed") == 1
    assert seen.get("job_seconds_bucket", kind="train", le="2.5") == 0
    assert seen.get("job_seconds_bucket", kind="train", le="5") == 1
    assert seen.get("job_seconds_bucket", kind="train", le="60") == 2
    assert seen.get("job_seconds_bucket", kind="train", le="3600") == 2
    assert seen.get("job_seconds_bucket", kind="train", le="+Inf") == 3
    assert seen.get("job_seconds_count", kind="train") == 3
    assert seen.get("job_seconds_sum", kind="train") == pytest.approx(3 + 40 + 9e4)


def test_the_count_never_goes_back_where_a_job_is_retried_or_deleted(
    store: Store, clock: Clock
) -> None:
    job = request(store)
    claim(store, job)
    end(store, job, JobState.FAILED)
    with store.begin() as work:
        work.jobs.retry(job.id)
        work.commit()
    assert look(store).get("jobs_total", kind="train", result="failed") == 1
    claim(store, job, 2)
    end(store, job, JobState.FAILED, 2)
    assert look(store).get("jobs_total", kind="train", result="failed") == 2
    with store.engine.begin() as connection:
        connection.execute(sa.delete(jobs))
    assert look(store).get("jobs_total", kind="train", result="failed") == 2


def test_a_run_whose_worker_died_and_one_that_was_never_begun_are_counted_as_such(
    store: Store, clock: Clock
) -> None:
    job = request(store)
    claim(store, job)
    clock.pass_(31)
    with store.begin() as work:
        (overdue,) = work.jobs.overdue()
        work.jobs.take_over(overdue, max_attempts=3)
        work.jobs.take_over(overdue, max_attempts=3)  # another reconciler, too late
        work.commit()
    with store.begin() as work:
        work.jobs.cancel(job.id)
        work.commit()
    seen = look(store)
    assert seen.get("jobs_total", kind="train", result="died") == 1
    assert seen.get("jobs_total", kind="train", result="cancelled") == 1
    assert seen.get("job_seconds_count", kind="train") == 1


def test_what_is_rolled_back_is_not_counted(store: Store) -> None:
    job = request(store)
    claim(store, job)
    with store.begin() as work:
        work.jobs.finish(job.id, "me1", JobState.SUCCEEDED)
    assert look(store).sum("jobs_total") == 0


def test_runs_that_end_at_the_same_moment_are_all_counted(store: Store) -> None:
    def work_off(worker: int) -> int:
        for n in range(5):
            with store.begin() as work:
                job, _ = work.jobs.request(JobKind.TRAIN, {}, "ana", key=f"{worker}-{n}")
                work.commit()
            claim(store, job)
            end(store, job, JobState.SUCCEEDED)
        return 5

    with ThreadPoolExecutor(4) as workers:
        assert sum(workers.map(work_off, range(4))) == 20
    assert look(store).get("jobs_total", kind="train", result="succeeded") == 20
    assert look(store).get("job_seconds_count", kind="train") == 20


def test_first_runs_of_a_class_that_end_at_once_are_all_counted(store: Store) -> None:
    several_write = store.engine.dialect.name != "sqlite"  # there, one waits for the other

    def count(kind: JobKind, gate: Barrier) -> None:
        with store.begin() as work:
            if several_write:
                gate.wait(30)
            count_run(work._connection, kind.value, "succeeded", 1.0)
            work.commit()

    with ThreadPoolExecutor(6) as workers:
        for kind in JobKind:
            gate = Barrier(6)
            for counted in [workers.submit(count, kind, gate) for _ in range(6)]:
                counted.result(60)
            assert look(store).get("jobs_total", kind=kind.value, result="succeeded") == 6


def test_jobs_that_wait_are_told_with_the_age_of_the_oldest(store: Store, clock: Clock) -> None:
    claim(store, request(store, JobKind.INGEST))
    request(store, JobKind.DRIFT)
    clock.pass_(50)
    request(store, JobKind.JUDGE)
    request(store, JobKind.PROMOTE)
    clock.pass_(10)
    queue = FakeQueue()
    queue.submit(JobKind.DRIFT, 2, 1)
    queue.crew = [
        WorkerInfo("a", "work", "busy", datetime.now(UTC)),
        WorkerInfo("b", "work", "idle", datetime.now(UTC) - timedelta(seconds=90)),
    ]
    seen = look(store, queue)
    assert seen.get("jobs_running", kind="ingest") == 1
    assert seen.get("jobs_running", kind="train") == 0
    assert seen.get("jobs_waiting", queue="work") == 2
    assert seen.get("queue_age_seconds", queue="work") == 60
    assert seen.get("queue_age_seconds", queue="desk") == 10
    assert seen.get("queue_entries", queue="work") == 1
    assert seen.get("workers_alive", queue="work") == 1
    assert seen.get("workers_alive", queue="desk") == 0


def test_the_last_batch_its_drift_the_champion_and_the_outbox_are_told(
    store: Store, clock: Clock
) -> None:
    build.stored_batch(store, 0)
    with store.begin() as work:
        epoch = work.batches.epoch()
        assert epoch
        received = work.batches.receive(epoch.number, "h", "b.json", 9)
        amiss = [QuarantinedRow(n, "why", "{}") for n in range(4)]
        work.batches.store(
            received, epoch=epoch.number, number=5, stored=7, quarantined=amiss, gap=0, note=""
        )
        for reference, breached in ((Reference.PREVIOUS, True), (Reference.CHAMPION, False)):
            report = DriftReport(breached, (Reason("Because."),), ())
            work.drift.put(work.batches.get(received.id), reference, "x", report, None)
        work.notifications.add(Event.TEST, "x", "y")
        work.commit()
    build.live(store, 3)
    build.proposed(store, 4, champion=3)
    clock.pass_(7200)
    seen = look(store)
    assert (seen.get("batch_epoch"), seen.get("batch_number")) == (1, 5)
    assert seen.get("batch_age_seconds") == 7200
    assert seen.get("batch_rows", outcome="stored") == 7
    assert seen.get("batch_rows", outcome="quarantined") == 4
    assert seen.get("quarantined_rows") == 4
    assert seen.get("drift_breach", reference="previous") == 1
    assert seen.get("drift_breach", reference="champion") == 0
    verdicts = {dict(at)["verdict"]: v for at, v in seen.all("drift_verdict").items()}
    assert verdicts == {stand.name.lower(): stand is Stand.ASKS for stand in Stand}
    assert seen.get("champion_version") == 3
    assert seen.get("champion_age_seconds") == 7200
    assert seen.get("candidates_waiting") == 1
    assert seen.get("notifications_undelivered", state="pending") == 1
    assert seen.get("source_exhausted") == 0


def test_what_is_away_has_no_figures(store: Store, dataset: Dataset) -> None:
    queue = FakeQueue()
    queue.away = True
    seen = look(store, queue)
    assert (seen.get("database_up"), seen.get("queue_up")) == (1, 0)
    assert seen.all("workers_alive") == {}
    gone = Store.open("mysql+pymysql://nobody@127.0.0.1:1/none", dataset)
    seen = look(gone)
    assert (seen.get("database_up"), seen.get("queue_up")) == (0, 1)
    assert seen.all("jobs_waiting") == {}


def test_an_answer_is_kept_for_a_moment(store: Store) -> None:
    at = [100.0]
    pipeline = Pipeline(lambda: [store], FakeQueue(), clock=lambda: at[0])  # type: ignore[arg-type]
    assert collected([pipeline]).of(NAME).get("jobs_waiting", queue="train") == 0
    request(store)
    at[0] += 4.9
    assert collected([pipeline]).of(NAME).get("jobs_waiting", queue="train") == 0
    at[0] += 0.2
    assert collected([pipeline]).of(NAME).get("jobs_waiting", queue="train") == 1


def test_no_figure_walks_through_a_whole_table(store: Store) -> None:
    """By SQLite's plan; MariaDB's depends on how much there is."""
    if store.engine.dialect.name != "sqlite":
        return
    said: list[str] = []

    def note(*execution: object) -> None:
        said.append(str(execution[2]))

    sa.event.listen(store.engine, "before_cursor_execute", note)
    build.stored_batch(store, 0)
    said.clear()
    with store.read() as work:
        work.metrics_snapshot()
    questions = [s for s in said if s.startswith("SELECT")]
    assert len(questions) >= 9
    sa.event.remove(store.engine, "before_cursor_execute", note)
    with store.engine.connect() as connection:
        for question in questions:
            count = question.count("?")
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {question}", (1,) * count)
            steps = [row[3] for row in plan]
            small = ("job_tallies", "epochs")
            newest = "LIMIT" in question  # walks backwards from the end, to the first that fits
            for step in steps:
                is_walk = step.startswith("SCAN") and "USING" not in step
                assert not is_walk or newest or any(t in step for t in small), (question, steps)
