"""The functions that queue entries name: ids in, and one place that owns how a run fails."""

from __future__ import annotations

from contextvars import copy_context

import structlog

from core import trace
from core.errors import DriftdeskError, JobCancelled, LeaseLost
from core.log import configure
from core.records import JobKind, JobState
from core.settings import read_settings
from workers.run import Run
from workers.wiring import Wiring

LEFT_ALONE = "left_alone"
LOST = "lost"

log = structlog.get_logger()


def ingest(job_id: int, attempt: int) -> str:
    """Run an ingest job."""
    return _perform(JobKind.INGEST, job_id, attempt)


def drift(job_id: int, attempt: int) -> str:
    """Run a drift job."""
    return _perform(JobKind.DRIFT, job_id, attempt)


def train(job_id: int, attempt: int) -> str:
    """Run a train job."""
    return _perform(JobKind.TRAIN, job_id, attempt)


def judge(job_id: int, attempt: int) -> str:
    """Run a judge job."""
    return _perform(JobKind.JUDGE, job_id, attempt)


def promote(job_id: int, attempt: int) -> str:
    """Run a promote job."""
    return _perform(JobKind.PROMOTE, job_id, attempt)


def _perform(kind: JobKind, job_id: int, attempt: int) -> str:
    """Run an attempt.

    Returns what came of it for the worker's metrics: `succeeded`, `failed`, `cancelled`, `lost` to
    another run, or `left_alone` because it was not waiting to be run.
    """
    settings = read_settings()
    configure(settings.log_format, "worker", settings.secrets)
    trace.start(settings.otel_exporter_otlp_endpoint, "worker")
    try:
        wiring = Wiring.make(settings)
        with structlog.contextvars.bound_contextvars(job=job_id, kind=kind.value, attempt=attempt):
            run = Run.claim(wiring.store, job_id, attempt, wiring.lease)
            if run is None:
                log.info("not waiting to be run; left alone")
                return LEFT_ALONE
            return run_to_its_end(run, wiring)
    finally:
        trace.stop()  # the process ends without a word to anybody once the job is over


def run_to_its_end(run: Run, wiring: Wiring) -> str:
    """Do a claimed job's work, and turn whatever happens into the job's state and a sentence.

    Returns how it ended; see `_perform`.
    """
    # What is bound to log lines on the way is forgotten with the run.
    return copy_context().run(_traced, run, wiring)


def _traced(run: Run, wiring: Wiring) -> str:
    job = run.job
    with trace.span(
        f"job {job.kind.value}",
        parent=job.trace,
        job=job.id,
        kind=job.kind.value,
        attempt=job.attempt,
    ):
        run.about(actor=job.actor)
        return _to_its_end(run, wiring)


def _to_its_end(run: Run, wiring: Wiring) -> str:
    log.info("started")
    try:
        with run.heartbeats():
            wiring.step(run.job.kind)(run)
    except LeaseLost as error:
        log.warning("lease lost", reason=str(error))
        trace.fail(str(error))
        return LOST
    except JobCancelled as error:
        run.end(JobState.CANCELLED, str(error))
        return JobState.CANCELLED.value.lower()
    except DriftdeskError as error:
        log.warning("failed", reason=str(error))
        trace.fail(str(error))
        run.end(JobState.FAILED, str(error))
    except Exception as error:  # the wrapper that owns failure: nothing may escape it
        log.exception("failed unexpectedly")
        trace.fail(f"{type(error).__name__}: {error}")
        run.end(
            JobState.FAILED,
            f"Something unexpected happened ({type(error).__name__}: {str(error)[:300]}). "
            "The worker's log has the details.",
        )
    else:
        log.info("done")
        return JobState.SUCCEEDED.value.lower()
    return JobState.FAILED.value.lower()
