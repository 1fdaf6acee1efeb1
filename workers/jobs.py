"""The functions that queue entries name: ids in, and one place that owns how a run fails."""

from __future__ import annotations

import structlog

from core.errors import DriftdeskError, JobCancelled, LeaseLost
from core.log import configure
from core.records import JobKind, JobState
from core.settings import read_settings
from workers.run import Run
from workers.wiring import Wiring

log = structlog.get_logger()


def ingest(job_id: int, attempt: int) -> None:
    """Run an ingest job."""
    _perform(JobKind.INGEST, job_id, attempt)


def drift(job_id: int, attempt: int) -> None:
    """Run a drift job."""
    _perform(JobKind.DRIFT, job_id, attempt)


def train(job_id: int, attempt: int) -> None:
    """Run a train job."""
    _perform(JobKind.TRAIN, job_id, attempt)


def judge(job_id: int, attempt: int) -> None:
    """Run a judge job."""
    _perform(JobKind.JUDGE, job_id, attempt)


def promote(job_id: int, attempt: int) -> None:
    """Run a promote job."""
    _perform(JobKind.PROMOTE, job_id, attempt)


def _perform(kind: JobKind, job_id: int, attempt: int) -> None:
    settings = read_settings()
    configure(settings.log_format, "worker")
    wiring = Wiring.make(settings)
    with structlog.contextvars.bound_contextvars(job=job_id, kind=kind.value, attempt=attempt):
        run = Run.claim(wiring.store, job_id, attempt, wiring.lease)
        if run is None:
            log.info("not waiting to be run; left alone")
            return
        run_to_its_end(run, wiring)


def run_to_its_end(run: Run, wiring: Wiring) -> None:
    """Do a claimed job's work, and turn whatever happens into the job's state and a sentence."""
    log.info("started", actor=run.job.actor)
    try:
        with run.heartbeats():
            wiring.step(run.job.kind)(run)
    except LeaseLost as error:
        log.warning("lease lost", reason=str(error))
    except JobCancelled as error:
        run.end(JobState.CANCELLED, str(error))
    except DriftdeskError as error:
        log.warning("failed", reason=str(error))
        run.end(JobState.FAILED, str(error))
    except Exception as error:  # the wrapper that owns failure: nothing may escape it
        log.exception("failed unexpectedly")
        run.end(
            JobState.FAILED,
            f"Something unexpected happened ({type(error).__name__}: {str(error)[:300]}). "
            "The worker's log has the details.",
        )
    else:
        log.info("done")
