"""RQ's worker, made of known jobs, and quick to notice a dead one."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

import redis
import structlog
from rq import Queue, Worker
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from core import trace
from core.errors import DriftdeskError
from core.exposition import expose, new_registry
from core.queue import FUNCTIONS, WORK, KnownJob, connect
from core.settings import Settings
from workers.horses import Runs
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

KINDS = {function: kind.value for kind, function in FUNCTIONS.items()}
"""What kind of job a function does."""

_ALWAYS = ("workers.jobs", "workers.steps.promote")

log = structlog.get_logger()


def serve(
    settings: Settings, queue: str, *, ready: Callable[[], None], alive: Callable[[], None]
) -> None:
    """Work off one queue until told to stop; `ready` is called once it can take jobs.

    `alive` is called at each of the worker's heartbeats, some seconds apart, in a job or out.
    The timings let RQ itself notice a dead worker within about a minute; our own lease is faster.
    """
    trace.prepare(settings.otel_exporter_otlp_endpoint)
    for module in (*_ALWAYS, *_HEAVY.get(queue, ())):
        importlib.import_module(module)
    runs = _offer(settings, queue)
    connection = connect(settings.redis_url, blocking=True)
    worker = _Worker(
        runs,
        alive,
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
    ready()
    worker.work(logging_level="WARNING")


def _offer(settings: Settings, queue: str) -> Runs | None:
    """Offer this process's metrics, where a port is set."""
    if not settings.metrics_port:
        return None
    registry = new_registry()
    runs = Runs(registry, queue)
    expose(registry, settings.metrics_host, settings.metrics_port)
    return runs


class _Worker(Worker):
    """RQ's worker, whose parent counts what its children did and shows that it lives."""

    def __init__(
        self, runs: Runs | None, alive: Callable[[], None], *args: Any, **kwargs: Any
    ) -> None:
        self._alive = alive
        super().__init__(*args, **kwargs)
        self._runs = runs
        self._died = False

    def heartbeat(self, *arguments: Any, **options: Any) -> None:
        """Beat in Redis; where that fails, nothing is told."""
        super().heartbeat(*arguments, **options)
        self._alive()

    def execute_job(self, job: RqJob, queue: Queue) -> None:
        """Fork, wait, and count."""
        if self._runs is None:
            super().execute_job(job, queue)
            return
        began = time.monotonic()
        self._died = False
        with self._runs.working():
            super().execute_job(job, queue)
        result = "died" if self._died else _result(job)
        kind = KINDS.get(job.func_name or "", "unknown")
        self._runs.ended(kind, result, time.monotonic() - began)

    def handle_work_horse_killed(self, *details: Any) -> None:
        """Note that the child is dead, and let go of its job."""
        self._died = True
        super().handle_work_horse_killed(*details)  # type: ignore[no-untyped-call]


def _result(job: RqJob) -> str:
    """What the child said of its end; RQ's own word where it said nothing."""
    try:
        said = job.latest_result()
    except redis.RedisError:
        return "unknown"
    if said is None:
        return "unknown"
    return str(said.return_value) if said.type is said.Type.SUCCESSFUL else "failed"


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
