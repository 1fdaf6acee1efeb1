"""RQ's worker, made of known jobs, and quick to notice a dead one."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import structlog
from rq import Queue, Worker
from rq.serializers import JSONSerializer

from core.errors import DriftdeskError
from core.queue import WORK, KnownJob, connect
from core.settings import Settings
from workers.wiring import Wiring

_HEAVY = {
    WORK: (
        "workers.steps.ingest",
        "workers.steps.drift",
        "workers.steps.train",
        "workers.steps.judge",
    )
}
"""What each queue's jobs import: loaded once, before the fork, instead of in every job."""

_ALWAYS = ("workers.jobs", "workers.steps.promote")

log = structlog.get_logger()


class _Beating(Worker):
    """A worker whose heartbeats are seen from outside Redis, too."""

    alive: Callable[[], None] = staticmethod(lambda: None)

    def heartbeat(self, *arguments: Any, **options: Any) -> None:
        """Beat in Redis; where that fails, nothing is told."""
        super().heartbeat(*arguments, **options)
        self.alive()


def serve(
    settings: Settings, queue: str, *, ready: Callable[[], None], alive: Callable[[], None]
) -> None:
    """Work off one queue until told to stop; `ready` is called once it can take jobs.

    `alive` is called at each of the worker's heartbeats, some seconds apart, in a job or out.
    The timings let RQ itself notice a dead worker within about a minute; our own lease is faster.
    """
    for module in (*_ALWAYS, *_HEAVY.get(queue, ())):
        importlib.import_module(module)
    connection = connect(settings.redis_url, blocking=True)
    worker = _Beating(
        [Queue(queue, connection=connection, serializer=JSONSerializer, job_class=KnownJob)],
        connection=connection,
        serializer=JSONSerializer,
        job_class=KnownJob,
        worker_ttl=30,
        maintenance_interval=15,
        job_monitoring_interval=5,
        log_job_description=False,
        work_horse_killed_handler=_horse_killed(settings),
    )
    worker.alive = alive
    ready()
    worker.work(logging_level="WARNING")


def _horse_killed(settings: Settings) -> Callable[..., None]:
    """End the lease of a job whose process died, so that nobody waits for it to run out."""

    def handle(entry: KnownJob, *_details: Any) -> None:
        try:
            job_id, attempt = entry.numbers
            with Wiring.make(settings).store.begin() as work:
                work.jobs.release(job_id, attempt)
                work.jobs.log(job_id, "The process that ran this job died.", "warning")
                work.commit()
        except DriftdeskError as error:
            log.warning("the lease must run out by itself", entry=entry.id, reason=str(error))

    return handle
