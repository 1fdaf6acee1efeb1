"""A cancel ends a job of any kind, at any point, on both databases; its seconds are printed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from console.actions import pipeline
from console.desk import Desk
from core.adapters.readers import parse
from core.adapters.store import Store
from core.adapters.store.batches import Batches
from core.adapters.store.rows import Rows
from core.adapters.store.timeouts import LOOKING, Timeouts
from core.domain.batches import BatchState
from core.domain.dataset import Dataset
from core.domain.errors import StoreBusy
from core.domain.jobs import Job, JobKind, JobState
from core.platform.settings import Settings
from tests import build
from tests.answers import NextAnswers, batch_body, silent, trickle, whole
from tests.build import somebody
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.stacks import wait_for
from tests.work import ingest, run_job
from workers.evidence.champion_error import Weigh
from workers.recipes.own_code import reported
from workers.runtime import job_run
from workers.sources.http_exchange import Limits
from workers.steps.drift import CheckDrift
from workers.steps.train import Train

HELD = 20.0
"""Seconds after which a job that is held goes on, and succeeds: far more than a cancel takes."""
ROW = {"rides": 97, "temperature": 9.5, "weather": "rain", "station": 12}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return build.small_dataset()


def a_desk(database_url: str, dataset: Dataset, folder: Path, timeouts: Timeouts) -> Desk:
    settings = Settings(_env_file=None, data_dir=folder)
    store = Store.open(database_url, dataset, timeouts)
    return Desk(settings, dataset, store, FakeQueue(), FakeRegistry(), FakeServing())  # type: ignore[arg-type]


@pytest.fixture
def desk(database_url: str, dataset: Dataset, tmp_path: Path) -> Iterator[Desk]:
    made = a_desk(database_url, dataset, tmp_path, LOOKING)
    yield made
    made.store.close()


class Operator(Thread):
    """Cancels the running job once something is reached."""

    def __init__(self, desk: Desk, reached: Callable[[], bool]) -> None:
        super().__init__()
        self._desk, self._reached = desk, reached
        self.cancelled = 0.0
        self.refusal: Exception | None = None
        self.start()

    def run(self) -> None:
        wait_for("the job did not come so far", self._reached)
        with self._desk.store.read() as work:
            (job,) = [j for j in work.jobs.open() if j.state is JobState.RUNNING]
        self.cancelled = time.monotonic()
        try:
            pipeline.cancel(self._desk, somebody("ana"), job.id)
        except StoreBusy as error:
            self.refusal = error

    def ended(self) -> None:
        """The job has ended, and the request was accepted."""
        print(f"{time.monotonic() - self.cancelled:.1f} s after the cancel")
        self.join()
        assert self.refusal is None


def announced(desk: Desk) -> Callable[[Job], bool]:
    return lambda job: desk.queue.is_cancel_announced(job.id, job.attempt)


def states(store: Store) -> list[BatchState]:
    with store.read() as work:
        return [b.state for b in work.batches.ledger()[::-1]]


def on_record(store: Store, job: Job) -> bool:
    with store.read() as work:
        cancels = [e for e in work.audit.latest() if e.action == "cancel"]
    return [(e.actor, e.subject) for e in cancels] == [("ana", f"job:{job.id}")]


def good(rows: int = 3) -> bytes:
    return whole(batch_body(0, [ROW] * rows))


# While an ingest receives


@pytest.mark.parametrize(
    "answer",
    [silent(), silent(HEAD), trickle(CHUNKED, b"1\r\n \r\n"), silent(good()[:-20])],
    ids=["first_byte", "head", "trickle", "frozen"],
)
def test_a_cancel_ends_the_wait_for_an_answer(
    store: Store, desk: Desk, api: NextAnswers, spool: Path, answer: Any
) -> None:
    api.put(answer)
    ana = Operator(desk, lambda: "/data" in api.asked)
    job = ingest(store, api.url, spool, limits=Limits(silence=60), announced=announced(desk))
    ana.ended()
    assert job.state is JobState.CANCELLED
    assert states(store) == [BatchState.INTERRUPTED]
    api.put(good())
    assert ingest(store, api.url, spool).result.stored == 3


# While an ingest reads and loads


def hold(monkeypatch: pytest.MonkeyPatch, where: str) -> Event:
    """Hold the job after its first chunk is read, after its rows are in, or at the profile."""
    reached = Event()

    def stand() -> None:
        reached.set()
        Event().wait(HELD)

    def first(*args: Any) -> Iterator[Any]:
        yield next(chunks(*args))
        stand()

    def loaded(*args: Any) -> None:
        load(*args)
        stand()

    chunks, load = parse.chunks, Rows.load
    if where == "chunks":
        monkeypatch.setattr(parse, "chunks", first)
    elif where == "load":
        monkeypatch.setattr(Rows, "load", loaded)
    else:
        monkeypatch.setattr(Batches, "add_profile", lambda *_: stand())
    return reached


@pytest.mark.parametrize("where", ["chunks", "load", "profile"])
def test_a_cancel_ends_reading_and_loading(
    store: Store,
    desk: Desk,
    api: NextAnswers,
    spool: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    """While rows load into SQLite, nothing else can be written; the load has to give way."""
    api.put(good(20_000))
    with monkeypatch.context() as patch:
        ana = Operator(desk, hold(patch, where).is_set)
        job = ingest(store, api.url, spool, announced=announced(desk))
    ana.ended()
    assert job.state is JobState.CANCELLED
    assert on_record(store, job)
    with store.read() as work:
        (waiting,) = work.batches.ledger()
        assert work.rows.count() == 0
    assert (waiting.state, waiting.tries, waiting.excused) == (BatchState.RECEIVED, 1, 1)
    assert ingest(store, api.url, spool).result.stored == 20_000


def test_a_cancel_that_is_announced_and_never_recorded_costs_no_try(
    store: Store, desk: Desk, api: NextAnswers, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.put(good())
    with monkeypatch.context() as patch:
        patch.setattr(job_run, "_RECORDED_WITHIN", 0.1)
        hold(patch, "load")
        job = ingest(store, api.url, spool, announced=lambda _job: True)
    assert job.state is JobState.FAILED
    assert "the database has no such request" in job.error
    with store.read() as work:
        (waiting,) = work.batches.ledger()
    assert (waiting.state, waiting.tries, waiting.excused) == (BatchState.RECEIVED, 1, 1)
    assert ingest(store, api.url, spool).result.stored == 3


def test_a_cancel_that_waited_while_its_jobs_process_was_ended_ends_the_job(store: Store) -> None:
    """It began before the lease was released, and is recorded after it."""
    with store.begin() as work:
        job, _ = work.jobs.request(JobKind.DRIFT, {}, "ana")
        work.jobs.claim(job.id, 1, "worker", timedelta(minutes=1))
        work.commit()
    with store.begin() as waiting:
        with store.begin() as work:
            assert work.jobs.release(job.id, 1)
            work.commit()
        assert waiting.jobs.cancel(job.id).state is JobState.CANCELLED
        waiting.commit()


def test_without_redis_a_cancel_waits_for_the_lock_and_says_so(
    store: Store,
    database_url: str,
    dataset: Dataset,
    tmp_path: Path,
    api: NextAnswers,
    spool: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api.put(good())
    desk = a_desk(database_url, dataset, tmp_path, Timeouts(lock=1))
    desk.queue.away = True  # type: ignore[attr-defined]
    reached, real = Event(), Rows.load

    def until_refused(*args: Any) -> int:
        loaded = real(*args)
        reached.set()
        ana.join()  # the operator gets an answer while the rows are loading
        return loaded

    with monkeypatch.context() as patch:
        patch.setattr(Rows, "load", until_refused)
        ana = Operator(desk, reached.is_set)
        job = ingest(store, api.url, spool)
    if store.engine.dialect.name == "sqlite":
        assert isinstance(ana.refusal, StoreBusy)
        assert (job.state, job.result.stored) == (JobState.SUCCEEDED, 3)
    else:  # a row of its own is all that a cancel needs there
        assert ana.refusal is None
    desk.store.close()


# The other kinds


@pytest.mark.parametrize("whose", ["built in", "a team's own"])
def test_a_cancel_ends_a_fit(
    store: Store,
    desk: Desk,
    api: NextAnswers,
    spool: Path,
    monkeypatch: pytest.MonkeyPatch,
    whose: str,
) -> None:
    api.put(good(500))
    ingest(store, api.url, spool)
    reached, registry = Event(), FakeRegistry()

    def fit(*_: Any) -> None:
        # Own code's errors are reported as errors of the recipe; a cancel is none.
        with nullcontext() if whose == "built in" else reported("team.recipes:make", "fit"):
            reached.set()
            Event().wait()

    monkeypatch.setattr("workers.steps.fit.recipe_of", lambda *_: fit)
    ana = Operator(desk, reached.is_set)
    job = run_job(
        store,
        JobKind.TRAIN,
        Train(store.dataset, registry, False, lambda _job: None),  # type: ignore[arg-type]
    )
    ana.ended()
    assert (job.state, registry.versions()) == (JobState.CANCELLED, [])
    assert on_record(store, job)


def test_a_cancel_ends_a_comparison_between_two_batches_that_are_scored(
    store: Store, desk: Desk, api: NextAnswers, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.put(good(20))
    batch = ingest(store, api.url, spool).result.batch_id
    with store.begin() as work:
        for job in work.jobs.open():
            work.jobs.cancel(job.id)
        work.commit()
    reached = Event()

    def score(weigh: Weigh, run: job_run.Run, *_: Any) -> None:
        reached.set()
        ana.join()
        while True:  # the next heartbeat learns of the cancel
            run.progress(0.5, "scoring")

    registry = FakeRegistry()
    registry.publish(
        b"m", job="1", parameters={}, metrics={}, tags={}, signature=None, requirements=[]
    )
    registry.set_champion(1)
    monkeypatch.setattr(Weigh, "_weigh", score)
    ana = Operator(desk, reached.is_set)
    step = CheckDrift(store.dataset, False, lambda _job: None, Weigh(store.dataset, registry))  # type: ignore[arg-type]
    job = run_job(store, JobKind.DRIFT, step, {"batch_id": batch})
    ana.ended()
    assert job.state is JobState.CANCELLED
    with store.read() as work:
        assert work.drift.compared() == []
