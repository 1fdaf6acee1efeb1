"""The queue, faked and real, and the worker that runs nothing but known jobs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import Queue as RqQueue
from rq import SimpleWorker
from rq.job import Callback
from rq.serializers import JSONSerializer

from core.adapters.redis_errors import translated
from core.adapters.rq_queue import FUNCTIONS, QUEUES, KnownJob, Queue, connect, entry_id
from core.domain.errors import QueueUnavailable
from core.domain.jobs import JobKind
from tests import stacks
from tests.fakes import FakeQueue
from tests.stacks import wait_for


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
    assert queue.lengths() == {"work": 0, "train": 1, "desk": 1}
    queue.drop(JobKind.TRAIN, 4, 1)
    queue.drop(JobKind.TRAIN, 4, 1)
    assert queue.waiting() == {"promote-5-2"}
    assert queue.ping()


def test_an_unreachable_redis_is_reported() -> None:
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


def test_a_worker_refuses_unknown_jobs(redis_url: str, tmp_path: Path) -> None:
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


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[tuple[str, redis.Redis]]:
    """A server of one test's own, to be set up badly."""
    folder = tmp_path / "queue"
    folder.mkdir()
    with stacks.valkey(folder) as url:
        connection = connect(url)
        yield url, connection
        connection.close()


def full(connection: redis.Redis) -> None:
    connection.config_set("maxmemory-policy", "noeviction")
    connection.config_set("maxmemory", "1mb")


def replica(connection: redis.Redis) -> None:
    connection.replicaof("127.0.0.1", "1")


def without_disk(connection: redis.Redis) -> None:
    shutil.rmtree(connection.config_get("dir")["dir"])
    connection.config_set("save", "3600 1")
    with suppress(redis.ResponseError):
        connection.bgsave()
    wait_for(
        "the server did not notice that it cannot save",
        lambda: connection.info("persistence")["rdb_last_bgsave_status"] == "err",
    )


def locked(connection: redis.Redis) -> None:
    connection.config_set("requirepass", "other")
    connection.connection_pool.disconnect()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (full, "Redis refuses writes: OOM, its memory is full. Raise its maxmemory"),
        (replica, "Redis refuses writes: READONLY, it is a replica. Let REDIS_URL name the prim"),
        (without_disk, "Redis refuses writes: MISCONF, it cannot save to its disk. Make room"),
        (locked, "Redis does not take the password. Correct it in REDIS_URL"),
    ],
)
def test_case_h_a_redis_that_refuses_writes_says_which_and_what_to_do(
    own_redis: tuple[str, redis.Redis], spoil: Any, says: str
) -> None:
    url, connection = own_redis
    Queue(url).try_write()
    assert connection.ttl("driftdesk:probe") > 0
    spoil(connection)
    queue = Queue(url)
    verbs = {"": queue.try_write, "is on record": lambda: queue.submit(JobKind.TRAIN, 1, 1)}
    for more, verb in verbs.items():
        with pytest.raises(QueueUnavailable) as refused:
            verb()
        assert says in str(refused.value)
        assert more in str(refused.value)
        assert isinstance(refused.value.__cause__, redis.RedisError)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (redis.exceptions.BusyLoadingError("Redis is loading"), "LOADING"),
        (redis.exceptions.NoPermissionError("no"), "NOPERM"),
        (redis.TimeoutError("Timeout reading from socket"), "did not answer in time"),
        (redis.ConnectionError("Connection refused"), "REDIS_URL"),
        (redis.ResponseError("WRONGTYPE Operation"), "Redis refused (WRONGTYPE Operation)"),
    ],
)
def test_case_h_each_word_of_redis_has_its_sentence(error: redis.RedisError, says: str) -> None:
    with pytest.raises(QueueUnavailable) as refused, translated():
        raise error
    assert says in str(refused.value)
