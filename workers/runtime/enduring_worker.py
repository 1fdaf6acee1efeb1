"""RQ's worker, kept alive while Redis refuses writes or is away.

RQ ends a worker at the first error of Redis that is no lost connection, such as OOM. This one says
once what is wrong, waits, and goes on. What it could not tell Redis is lost there and nowhere else:
the job table has what counts, and the reconciler queues again what no queue knows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import redis
import structlog
from rq import Queue, Worker, worker_registration
from rq.job import Job as RqJob

from core.adapters.redis_errors import translated
from core.domain.errors import QueueUnavailable

_PAUSE = 1.0
"""Seconds between two tries while Redis takes nothing."""

log = structlog.get_logger()


_ENDURED = (
    "register_death",  # else the registration expires
    "set_state",  # the state changes here all the same
    "set_shutdown_requested_date",
    "check_for_suspension",
    "run_maintenance_tasks",  # what was not cleaned is cleaned at the next turn
    "maintain_heartbeats",  # the child is watched on whatever Redis says
    "execute_job",  # what Redis lost meanwhile is queued again by the reconciler
)
"""RQ's methods after which the worker goes on, whatever Redis says to them."""


class EnduringWorker(Worker):
    """A worker that outlives every refusal of Redis; `alive` is called where a heartbeat counts."""

    def __init__(self, alive: Callable[[], None], *args: Any, **kwargs: Any) -> None:
        self._alive = alive
        self._trouble = ""
        super().__init__(*args, **kwargs)

    @contextmanager
    def _enduring(self) -> Iterator[None]:
        """Go on after an error of Redis, and log it once while it lasts."""
        try:
            with translated():
                yield
        except QueueUnavailable as error:
            if str(error) != self._trouble:
                log.warning("waiting for Redis", reason=str(error))
            self._trouble = str(error)

    def register_birth(self) -> None:
        """Register, as soon as Redis takes it; no signal handler is installed yet."""
        while True:
            with self._enduring():
                super().register_birth()  # type: ignore[no-untyped-call]
                return
            time.sleep(_PAUSE)

    def heartbeat(
        self, timeout: int | None = None, pipeline: redis.client.Pipeline | None = None
    ) -> None:
        """Beat in Redis, and show that we are alive where Redis took it.

        In a job the beat is part of a pipeline, and the process counts as alive whatever Redis
        says: the job does not depend on it.
        """
        if pipeline is not None:
            super().heartbeat(timeout, pipeline)
            self._alive()
            return
        with self._enduring(), self.connection.pipeline() as own:
            super().heartbeat(timeout, own)
            is_new = own.execute()[0] == 1
            if is_new:  # our entry had expired, or Redis was wiped
                own.hset(self.key, mapping=self.serialize())
                worker_registration.register(self, own)
                own.execute()
            if self._trouble:
                log.info("Redis takes writes again")
            self._trouble = ""
            self._alive()

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[RqJob, Queue] | None:
        """Wait for a job, and for Redis to take writes."""
        while True:
            with self._enduring():
                return super().dequeue_job_and_maintain_ttl(timeout, max_idle_time)
            time.sleep(_PAUSE)


def _endured(name: str) -> Callable[..., None]:
    method = getattr(Worker, name)

    @wraps(method)
    def endured(self: EnduringWorker, *args: Any, **kwargs: Any) -> None:
        with self._enduring():
            method(self, *args, **kwargs)

    return endured


for _name in _ENDURED:
    setattr(EnduringWorker, _name, _endured(_name))
