"""RQ's worker, made of known jobs, and quick to notice a dead one."""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable
from typing import Any

import redis
import structlog
from rq import Queue
from rq.executions import Execution
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from core.adapters.rq_queue import FUNCTIONS, TRAIN, WORK, KnownJob, connect
from core.adapters.rq_queue import Queue as JobQueue
from core.adapters.store.timeouts import LOOKING
from core.domain.errors import DriftdeskError, Refused
from core.platform import tracing
from core.platform.metrics_endpoint import expose, new_registry
from core.platform.settings import Settings
from workers.runtime.enduring_worker import EnduringWorker
from workers.runtime.job_dataset import find
from workers.runtime.temp_files import Scratch
from workers.runtime.watchdog import Cause, Pulse, Watch
from workers.runtime.worker_metrics import Runs

_HEAVY = {
    WORK: (
        "workers.steps.ingest",
        "workers.steps.drift",
        "workers.steps.judge",
    ),
    TRAIN: ("workers.steps.train",),
}
"""What each queue's jobs import: loaded once, before the fork, instead of in every job."""

KINDS = {function: kind.value for kind, function in FUNCTIONS.items()}
"""The kind of job that each function runs."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_ALWAYS = ("workers.jobs", "workers.steps.promote")

log = structlog.get_logger()


def serve(
    settings: Settings, queue: str, *, ready: Callable[[], None], alive: Callable[[], None]
) -> None:
    """Work off one queue until told to stop; `ready` is called once it can take jobs.

    `alive` is called at each of the worker's heartbeats, some seconds apart, in a job or out.
    The timings let RQ itself notice a dead worker within about a minute; our own lease is faster.
    """
    tracing.prepare(settings.otel_exporter_otlp_endpoint)
    for module in (*_ALWAYS, *_HEAVY.get(queue, ())):
        importlib.import_module(module)
    runs = _offer(settings, queue)
    scratch = Scratch()
    scratch.open()
    connection = connect(settings.redis_url, blocking=True)
    worker = _Worker(
        settings,
        runs,
        scratch,
        alive,
        [Queue(queue, connection=connection, serializer=JSONSerializer, job_class=KnownJob)],
        connection=connection,
        serializer=JSONSerializer,
        job_class=KnownJob,
        worker_ttl=30,
        maintenance_interval=15,
        job_monitoring_interval=5,
        log_job_description=False,
    )
    ready()
    try:
        worker.work(logging_level="WARNING")
    finally:
        scratch.close()


def _offer(settings: Settings, queue: str) -> Runs | None:
    """Offer this process's metrics, where a port is set."""
    if not settings.metrics_port:
        return None
    registry = new_registry()
    runs = Runs(registry, queue)
    expose(registry, settings.metrics_host, settings.metrics_port)
    return runs


class _Worker(EnduringWorker):
    """A worker whose parent watches its children and counts them."""

    def __init__(
        self,
        settings: Settings,
        runs: Runs | None,
        scratch: Scratch,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        self._scratch = scratch
        super().__init__(*args, **kwargs)
        self._settings = settings
        self._runs = runs
        self._pulse = Pulse()
        self._watch: Watch | None = None
        self._died = ""

    def main_work_horse(self, *details: Any) -> None:
        """In the child: start the pulse that the parent watches, then work."""
        self._pulse.beat()
        super().main_work_horse(*details)

    def execute_job(self, job: RqJob, queue: Queue) -> None:
        """Fork, wait, count, and delete what the job left in its temporary folder."""
        self._scratch.keep()
        try:
            self._execute(job, queue)
        finally:
            self._scratch.empty()

    def _execute(self, job: RqJob, queue: Queue) -> None:
        if self._runs is None:
            super().execute_job(job, queue)
            return
        began = time.monotonic()
        self._died = ""
        with self._runs.working():
            super().execute_job(job, queue)
        kind, dataset = KINDS.get(job.func_name or "", "unknown"), _dataset(job)
        self._runs.ended(dataset, kind, self._died or _result(job), time.monotonic() - began)

    def monitor_work_horse(self, job: RqJob, queue: Queue, execution: Execution) -> None:
        """Wait for the child, and watch over it meanwhile."""
        self._watch = None
        try:
            job_id, attempt = _numbers(job)
        except Refused:  # the child refuses it as well, and ends at once
            super().monitor_work_horse(job, queue, execution)
            return
        self._watch = Watch(
            self.horse_pid,
            job_id,
            attempt,
            pulse=self._pulse,
            still=self._settings.lease_seconds,
            store=lambda: find(self._settings, job_id, LOOKING).store,
            queue=lambda: JobQueue(self._settings.redis_url),
        )
        with self._watch:
            super().monitor_work_horse(job, queue, execution)

    def handle_work_horse_killed(self, entry: RqJob, *_details: Any) -> None:
        """Settle the job of a dead child at once, before its lease runs out."""
        cause = self._watch.cause if self._watch else None
        self._died = Cause.CANCELLED.value if cause is Cause.CANCELLED else "died"
        try:
            _settle(self._settings, *_numbers(entry), cause)
        except DriftdeskError as error:
            log.warning("the lease must run out by itself", entry=entry.id, reason=str(error))


def _numbers(entry: RqJob) -> tuple[int, int]:
    """The job's id and attempt.

    Raises:
        Refused: the entry is not one of driftdesk's.
    """
    if not isinstance(entry, KnownJob):
        raise Refused("This queue entry is no job of driftdesk.")
    return entry.numbers


def _dataset(job: RqJob) -> str:
    """The dataset that the entry says it is of; it is a label, and decides nothing."""
    told = job.meta.get("dataset") if isinstance(job.meta, dict) else None
    return told if isinstance(told, str) and _NAME.fullmatch(told) else ""


def _result(job: RqJob) -> str:
    """How the run ended, as the child returned it to RQ; "unknown" if Redis does not have it."""
    try:
        result = job.latest_result()
    except redis.RedisError:
        return "unknown"
    if result is None:
        return "unknown"
    return str(result.return_value) if result.type is result.Type.SUCCESSFUL else "failed"


_LOG_LINES = {
    None: "The process that ran this job died.",
    Cause.FROZEN: "The process that ran this job stood still for a whole lease and was ended.",
    Cause.CANCELLED: "Cancelled on request; its process did not stop by itself and was ended.",
    Cause.OVERTAKEN: "The process that ran this job had been taken over and was ended.",
}


def _settle(settings: Settings, job_id: int, attempt: int, cause: Cause | None) -> None:
    """End the lease of a dead attempt, and the job with it if it was cancelled.

    An attempt that ended before its process did is left as it is.

    Raises:
        StoreUnavailable: the database is away.
        DatasetNotReady: its dataset was taken away meanwhile; the job waits.
    """
    store = find(settings, job_id, LOOKING).store
    try:
        with store.begin() as work:
            if not work.jobs.release(job_id, attempt):
                return
            work.jobs.log(job_id, _LOG_LINES[cause], "warning")
            job = work.jobs.get(job_id)
            if job.cancel_requested:
                work.jobs.take_over(job, settings.max_attempts)
            work.commit()
    finally:
        store.close()
