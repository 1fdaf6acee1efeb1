"""The queue, faked and real, and the worker that runs nothing but known jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rq import Queue as RqQueue
from rq import SimpleWorker
from rq.job import Callback
from rq.serializers import JSONSerializer

from core.errors import QueueUnavailable
from core.queue import FUNCTIONS, QUEUES, KnownJob, Queue, connect, entry_id
from core.records import JobKind
from tests.fakes import FakeQueue


@pytest.fixture(params=["fake", "redis"])
def queue(request: pytest.FixtureRequest) -> Any:
    if request.param == "fake":
        return FakeQueue()
    url = request.getfixturevalue("redis_url")
    connect(url).flushdb()
    return Queue(url)


def test_what_was_submitted_stands_in_line_until_it_is_dropped(queue: Any) -> None:
    queue.submit(JobKind.TRAIN, 4, 1)
    queue.submit(JobKind.PROMOTE, 5, 2)
    assert queue.waiting() == {"train-4-1", "promote-5-2"}
    assert queue.lengths() == {"work": 1, "desk": 1}
    queue.drop(JobKind.TRAIN, 4, 1)
    queue.drop(JobKind.TRAIN, 4, 1)
    assert queue.waiting() == {"promote-5-2"}
    assert queue.ping()


def test_a_redis_that_is_away_is_said_to_be_away() -> None:
    with pytest.raises(QueueUnavailable, match="REDIS_URL"):
        Queue("redis://127.0.0.1:1/0").waiting()


def test_every_kind_has_its_function_and_its_line() -> None:
    from workers import jobs

    for kind in JobKind:
        assert kind in QUEUES
        module, name = FUNCTIONS[kind].rsplit(".", 1)
        assert module == "workers.jobs"
        assert callable(getattr(jobs, name))


def work_off(url: str) -> None:
    connection = connect(url)
    queue = RqQueue("work", connection=connection, serializer=JSONSerializer, job_class=KnownJob)
    worker = SimpleWorker(
        [queue], connection=connection, serializer=JSONSerializer, job_class=KnownJob
    )
    worker.work(burst=True, logging_level="CRITICAL")


def test_a_worker_refuses_what_is_no_job_of_ours(redis_url: str, tmp_path: Path) -> None:
    connection = connect(redis_url)
    connection.flushdb()
    witness = tmp_path / "ran"
    queue = RqQueue("work", connection=connection, serializer=JSONSerializer)
    entry = queue.enqueue_call("os.system", args=(f"touch {witness}",))
    work_off(redis_url)
    entry.refresh()
    assert entry.is_failed
    assert not witness.exists()


def test_a_worker_runs_no_callback_that_an_entry_brings(redis_url: str, tmp_path: Path) -> None:
    connection = connect(redis_url)
    connection.flushdb()
    queue = RqQueue("work", connection=connection, serializer=JSONSerializer)
    for event in ("on_success", "on_failure", "on_stopped"):
        queue.enqueue_call("os.getcwd", **{event: Callback("antigravity.fly")})  # type: ignore[arg-type]
    work_off(redis_url)
    import sys

    assert "antigravity" not in sys.modules
    assert entry_id(JobKind.DRIFT, 1, 2) == "drift-1-2"


def test_reconcilers_are_heard_and_those_long_gone_forgotten(queue: Any) -> None:
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    queue.beat("here:1", noon)
    queue.beat("here:2", noon)
    queue.beat("here:1", noon + timedelta(minutes=1))
    assert queue.reconcilers() == {"here:1": noon + timedelta(minutes=1), "here:2": noon}
    queue.beat("here:1", noon + timedelta(hours=2))
    assert queue.reconcilers() == {"here:1": noon + timedelta(hours=2)}
    assert queue.reconcilers() == {"here:1": noon + timedelta(hours=2)}
