"""The queue: RQ behind a few methods. It holds work in flight, and nothing that must last.

Each kind of job has one function that may run it, and a queue entry has only the job's id and
attempt, as JSON. Workers must use `KnownJob`, which runs nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from rq import Queue as RqQueue
from rq import Worker
from rq.exceptions import NoSuchJobError
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from core.adapters.redis_errors import translated
from core.domain.errors import Refused
from core.domain.jobs import JobKind

WORK = "work"
TRAIN = "train"
DESK = "desk"
LINES = (WORK, TRAIN, DESK)
"""The queues."""

QUEUES = {
    JobKind.INGEST: WORK,
    JobKind.DRIFT: WORK,
    JobKind.TRAIN: TRAIN,
    JobKind.JUDGE: WORK,
    JobKind.PROMOTE: DESK,
}
"""Training takes long, and an approval waits behind nothing, so both have a queue of their own. A
worker serves one queue only: RQ takes from several without atomicity and can lose a job."""

FUNCTIONS = {kind: f"workers.jobs.{kind.value}" for kind in JobKind}
"""The only functions that a worker runs."""

_RECONCILERS = "driftdesk:reconcilers"
_FORGET = timedelta(hours=1)
_CANCEL = "driftdesk:cancel"
_CANCEL_SECONDS = 60
_PROBE = "driftdesk:probe"
_PROBE_SECONDS = 10

_ON_RECORD = "The job is on record, and starts when that is fixed."
_SOCKET_SECONDS = 5
_JOB_SECONDS = 6 * 3600
_KEEP_RESULT_SECONDS = 60
_KEEP_FAILURE_SECONDS = 3600


class KnownJob(RqJob):
    """A queue entry that runs one of `FUNCTIONS` and nothing else, not even a callback.

    JSON alone is no sandbox: RQ would import and call whatever dotted path an entry names.
    """

    def perform(self) -> Any:
        """Run the entry's function.

        Raises:
            Refused: it is not a known one, or is called with other than two numbers.
        """
        if self.func_name not in FUNCTIONS.values():
            raise Refused(f"{self.func_name!r} is no job of driftdesk; it was not run.")
        _ = self.numbers
        return super().perform()

    @property
    def numbers(self) -> tuple[int, int]:
        """The job's id and attempt.

        MySQL reads the text `1 or so` as the number 1, so anything but numbers is refused.

        Raises:
            Refused: they are not two numbers.
        """
        given = tuple(self.args or ())
        if len(given) != 2 or self.kwargs or any(type(n) is not int for n in given):  # noqa: PLR2004
            raise Refused("A queue entry names a job and an attempt, and nothing else.")
        return given

    # Entries bring no code.
    success_callback = failure_callback = stopped_callback = None


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker as Redis knows it; `entry` is the id of its current entry."""

    name: str
    queue: str
    state: str
    heartbeat: datetime | None
    born: datetime | None = None
    entry: str = ""


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """Facts about the queue's server.

    `policy` is what it does when its memory is full; `ahead` is how many seconds its clock is ahead
    of this machine's, negative if behind.
    """

    kind: str
    version: str
    journal: bool
    policy: str
    ahead: float


def connect(url: str, *, blocking: bool = False) -> redis.Redis:
    """A connection to Redis; `blocking` ones wait as long as a worker's pop does."""
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=_SOCKET_SECONDS,
        socket_timeout=None if blocking else _SOCKET_SECONDS,
        retry=None if not blocking else redis.retry.Retry(redis.backoff.ConstantBackoff(1), 3),
    )


def entry_id(kind: JobKind, job_id: int, attempt: int) -> str:
    """The name of a queue entry: an attempt of a job has one of its own."""
    return f"{kind.value}-{job_id}-{attempt}"


def _cancel_key(job_id: int, attempt: int) -> str:
    return f"{_CANCEL}:{job_id}-{attempt}"


class Queue:
    """The queues. Every method raises `QueueUnavailable` when Redis is unavailable."""

    def __init__(self, url: str) -> None:
        self._redis = connect(url)
        self._queues = {
            name: RqQueue(name, connection=self._redis, serializer=JSONSerializer) for name in LINES
        }

    def submit(self, kind: JobKind, job_id: int, attempt: int, dataset: str = "") -> None:
        """Queue an attempt of a job. Doing so twice is harmless: only one is claimed.

        `dataset` is a label for the worker's metrics; whose job it is, the database says.
        """
        with translated(_ON_RECORD):
            self._queues[QUEUES[kind]].enqueue_call(
                FUNCTIONS[kind],
                args=(job_id, attempt),
                job_id=entry_id(kind, job_id, attempt),
                timeout=_JOB_SECONDS,
                result_ttl=_KEEP_RESULT_SECONDS,
                failure_ttl=_KEEP_FAILURE_SECONDS,
                description=f"{kind.value} {job_id}, attempt {attempt}",
                meta={"dataset": dataset},
            )

    def waiting(self) -> set[str]:
        """The ids of all waiting entries."""
        with translated():
            return {entry for q in self._queues.values() for entry in q.get_job_ids()}

    def drop(self, kind: JobKind, job_id: int, attempt: int) -> None:
        """Remove an entry, if it still waits."""
        with translated():
            try:
                entry = RqJob.fetch(
                    entry_id(kind, job_id, attempt),
                    connection=self._redis,
                    serializer=JSONSerializer,
                )
            except NoSuchJobError:
                return
            self._queues[QUEUES[kind]].remove(entry)
            entry.delete()

    def announce_cancel(self, job_id: int, attempt: int) -> None:
        """Announce that a cancel of this attempt waits to be recorded in the database.

        A run that holds SQLite's write lock gives it back then. The database alone says whether
        the job is cancelled.
        """
        with translated():
            self._redis.set(_cancel_key(job_id, attempt), "1", ex=_CANCEL_SECONDS)

    def is_cancel_announced(self, job_id: int, attempt: int) -> bool:
        """Whether a cancel of this attempt was announced in the last minute."""
        with translated():
            return bool(self._redis.exists(_cancel_key(job_id, attempt)))

    def lengths(self) -> dict[str, int]:
        """The number of waiting entries of each queue."""
        with translated():
            return {name: q.count for name, q in self._queues.items()}

    def workers(self) -> list[WorkerInfo]:
        """Every worker that has reported recently."""
        with translated():
            return [
                WorkerInfo(
                    w.name,
                    ",".join(w.queue_names()),
                    str(w.get_state()),
                    w.last_heartbeat,
                    w.birth_date,
                    w.get_current_job_id() or "",
                )
                for w in Worker.all(connection=self._redis, serializer=JSONSerializer)
            ]

    def beat(self, name: str, at: datetime) -> None:
        """Record that a reconciler runs."""
        with translated():
            self._redis.hset(_RECONCILERS, name, at.isoformat())

    def reconcilers(self) -> dict[str, datetime]:
        """When each reconciler was last heard; those that are long gone are deleted."""
        with translated():
            beats = {
                _text(name): datetime.fromisoformat(_text(at))
                for name, at in self._redis.hgetall(_RECONCILERS).items()
            }
            latest = max(beats.values(), default=None)
            gone = [n for n, at in beats.items() if latest and latest - at > _FORGET]
            if gone:
                self._redis.hdel(_RECONCILERS, *gone)
            return {name: at for name, at in beats.items() if name not in gone}

    def try_write(self) -> None:
        """Write a small key that expires: a Redis that answers may still refuse writes.

        Raises:
            QueueRefused: it does; then no job can be queued, and no worker can report.
        """
        with translated():
            self._redis.set(_PROBE, "1", ex=_PROBE_SECONDS)

    def ping(self) -> str:
        """The server's version."""
        with translated():
            info: dict[str, Any] = self._redis.info("server")
            return str(info.get("valkey_version") or info.get("redis_version", "?"))

    def facts(self) -> QueueFacts:
        """Facts about the server."""
        with translated():
            info: dict[str, Any] = self._redis.info()
            before = datetime.now(UTC)
            seconds, micros = self._redis.time()
            middle = before + (datetime.now(UTC) - before) / 2
        valkey = info.get("valkey_version")
        return QueueFacts(
            "Valkey" if valkey else "Redis",
            str(valkey or info.get("redis_version", "?")),
            bool(info.get("aof_enabled")),
            str(info.get("maxmemory_policy", "")),
            seconds + micros / 1e6 - middle.timestamp(),
        )
