"""The queue: RQ behind a few verbs. It holds work in flight, and nothing that must last.

Each kind of job has one function that may run it, and a queue entry carries only the job's
id and attempt, as JSON. A worker must be made of `KnownJob`, which runs nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import redis
from rq import Queue as RqQueue
from rq import Worker
from rq.exceptions import NoSuchJobError
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from core.errors import QueueUnavailable, Refused
from core.records import JobKind

WORK = "work"
DESK = "desk"

QUEUES = {
    JobKind.INGEST: WORK,
    JobKind.DRIFT: WORK,
    JobKind.TRAIN: WORK,
    JobKind.JUDGE: WORK,
    JobKind.PROMOTE: DESK,
}
"""An approval does not wait behind training, so promotions have a queue of their own. A
worker serves one queue only: RQ takes from several without atomicity and can lose a job."""

FUNCTIONS = {kind: f"workers.jobs.{kind.value}" for kind in JobKind}
"""The only functions that a worker runs."""

_RECONCILERS = "driftdesk:reconcilers"
_FORGET = timedelta(hours=1)

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

        MySQL takes the text `1 or so` for the number 1, so nothing but numbers comes that far.

        Raises:
            Refused: they are something else.
        """
        given = tuple(self.args or ())
        if len(given) != 2 or self.kwargs or any(type(n) is not int for n in given):  # noqa: PLR2004
            raise Refused("A queue entry names a job and an attempt, and nothing else.")
        return given

    @property
    def success_callback(self) -> None:
        """None: entries bring no code."""
        return

    @property
    def failure_callback(self) -> None:
        """None: entries bring no code."""
        return

    @property
    def stopped_callback(self) -> None:
        """None: entries bring no code."""
        return


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker as Redis knows it; `entry` names what it works on."""

    name: str
    queue: str
    state: str
    heartbeat: datetime | None
    born: datetime | None = None
    entry: str = ""


def connect(url: str, *, blocking: bool = False) -> redis.Redis:
    """A connection to Redis; `blocking` ones wait as long as a worker's pop does."""
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=_SOCKET_SECONDS,
        socket_timeout=None if blocking else _SOCKET_SECONDS,
        retry=None if not blocking else redis.retry.Retry(redis.backoff.ConstantBackoff(1), 3),
    )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise QueueUnavailable(
            f"Redis did not answer ({error}). What was asked for is on record and starts when "
            "Redis is back. Check REDIS_URL and the server."
        ) from error


def entry_id(kind: JobKind, job_id: int, attempt: int) -> str:
    """The name of a queue entry: an attempt of a job has one of its own."""
    return f"{kind.value}-{job_id}-{attempt}"


class Queue:
    """Submit, cancel and look. Every verb raises `QueueUnavailable` when Redis is away."""

    def __init__(self, url: str) -> None:
        self._redis = connect(url)
        self._queues = {
            name: RqQueue(name, connection=self._redis, serializer=JSONSerializer)
            for name in (WORK, DESK)
        }

    def submit(self, kind: JobKind, job_id: int, attempt: int) -> None:
        """Put an attempt of a job in line. Doing so twice is harmless: only one is claimed."""
        with _translated():
            self._queues[QUEUES[kind]].enqueue_call(
                FUNCTIONS[kind],
                args=(job_id, attempt),
                job_id=entry_id(kind, job_id, attempt),
                timeout=_JOB_SECONDS,
                result_ttl=_KEEP_RESULT_SECONDS,
                failure_ttl=_KEEP_FAILURE_SECONDS,
                description=f"{kind.value} {job_id}, attempt {attempt}",
            )

    def waiting(self) -> set[str]:
        """The ids of all entries that stand in line."""
        with _translated():
            return {entry for q in self._queues.values() for entry in q.get_job_ids()}

    def drop(self, kind: JobKind, job_id: int, attempt: int) -> None:
        """Take an entry out of the line, if it still stands there."""
        with _translated():
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

    def lengths(self) -> dict[str, int]:
        """How many entries stand in each line."""
        with _translated():
            return {name: q.count for name, q in self._queues.items()}

    def workers(self) -> list[WorkerInfo]:
        """Every worker that has reported lately."""
        with _translated():
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
        """Note that a reconciler looks after things."""
        with _translated():
            self._redis.hset(_RECONCILERS, name, at.isoformat())

    def reconcilers(self) -> dict[str, datetime]:
        """When each reconciler was last heard; those long gone are forgotten."""
        with _translated():
            beats = {
                _text(name): datetime.fromisoformat(_text(at))
                for name, at in self._redis.hgetall(_RECONCILERS).items()
            }
            latest = max(beats.values(), default=None)
            gone = [n for n, at in beats.items() if latest and latest - at > _FORGET]
            if gone:
                self._redis.hdel(_RECONCILERS, *gone)
            return {name: at for name, at in beats.items() if name not in gone}

    def ping(self) -> str:
        """The server's version."""
        with _translated():
            info: dict[str, Any] = self._redis.info("server")
            return str(info.get("valkey_version") or info.get("redis_version", "?"))
