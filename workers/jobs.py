"""The functions that queue entries name: ids in, and one place that owns how a run fails."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import structlog

from core.adapters.store.timeouts import of_jobs
from core.domain.errors import DriftdeskError, JobCancelled, LeaseLost, Missing
from core.domain.jobs import JobKind, JobState
from core.platform import tracing
from core.platform.disk_errors import disk_errors
from core.platform.log import configure
from core.platform.settings import Settings, read_settings
from workers.container import Container
from workers.runtime.job_dataset import DatasetNotReady, find
from workers.runtime.job_run import Run

LEFT_ALONE = "left_alone"
LOST = "lost"

log = structlog.get_logger()


def _perform(kind: JobKind, job_id: int, attempt: int) -> str:
    """Run an attempt.

    Returns what came of it for the worker's metrics: `succeeded`, `failed`, `cancelled`, `lost` to
    another run, or `left_alone` because it was not waiting to be run.
    """
    settings = read_settings()
    configure(settings.log_format, "worker", settings.secrets)
    tracing.start(settings.otel_exporter_otlp_endpoint, "worker")
    about = {"job": job_id, "kind": kind.value, "attempt": attempt}
    try:
        with structlog.contextvars.bound_contextvars(**about):
            return _claim_and_run(settings, kind, job_id, attempt)
    finally:
        tracing.stop()  # the process ends without running exit handlers once the job is over


def _claim_and_run(settings: Settings, kind: JobKind, job_id: int, attempt: int) -> str:
    try:
        found = find(settings, job_id, of_jobs(settings.lease_seconds))
    except (DatasetNotReady, Missing) as error:
        log.warning("left to wait", reason=str(error))
        return LEFT_ALONE
    container = Container.make(settings, dataset=found.dataset, store=found.store)
    with structlog.contextvars.bound_contextvars(dataset=found.dataset.name):
        try:
            run = Run.claim(container.store, job_id, attempt, container.lease)
            if run is None:
                log.info("not waiting to be run; left alone")
                return LEFT_ALONE
            return run_to_its_end(run, container)
        finally:  # where this process dies, the reconciler does it
            container.submit_next(kind)


def _runs(kind: JobKind) -> Callable[[int, int], str]:
    def run(job_id: int, attempt: int) -> str:
        return _perform(kind, job_id, attempt)

    return run


ingest, drift, train, judge, promote = map(
    _runs, (JobKind.INGEST, JobKind.DRIFT, JobKind.TRAIN, JobKind.JUDGE, JobKind.PROMOTE)
)
"""What queue entries name: a run of each kind of job, by the job's id and its attempt."""


def run_to_its_end(run: Run, container: Container) -> str:
    """Do a claimed job's work, and turn whatever happens into the job's state and a sentence.

    Returns how it ended; see `_perform`.
    """
    # What is bound to log lines on the way is forgotten with the run.
    return copy_context().run(_traced, run, container)


def _traced(run: Run, container: Container) -> str:
    job = run.job
    about: dict[str, Any] = {"job": job.id, "kind": job.kind.value, "attempt": job.attempt}
    about["dataset"] = run.store.dataset.name
    with tracing.span(f"job {job.kind.value}", parent=job.trace, **about):
        run.about(actor=job.actor)
        return _to_its_end(run, container)


def _to_its_end(run: Run, container: Container) -> str:
    log.info("started")
    try:
        with disk_errors("the job broke off", all_errors=False), run.heartbeats():
            container.step(run.job.kind)(run)
    except LeaseLost as error:
        log.warning("lease lost", reason=str(error))
        tracing.fail(str(error))
        return LOST
    except JobCancelled as error:
        run.end(JobState.CANCELLED, str(error))
        return JobState.CANCELLED.value.lower()
    except DriftdeskError as error:
        log.warning("failed", reason=str(error))
        tracing.fail(str(error))
        run.end(JobState.FAILED, str(error))
    except Exception as error:  # the wrapper that owns failure: nothing may escape it
        log.exception("failed unexpectedly")
        tracing.fail(f"{type(error).__name__}: {error}")
        run.end(
            JobState.FAILED,
            f"Something unexpected happened ({type(error).__name__}: {str(error)[:300]}). "
            "The worker's log has the details.",
        )
    else:
        log.info("done")
        return JobState.SUCCEEDED.value.lower()
    return JobState.FAILED.value.lower()
