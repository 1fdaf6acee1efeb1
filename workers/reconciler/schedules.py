"""Fires due schedules: each run is queued once, however many reconcilers there are."""

from __future__ import annotations

from datetime import datetime

import structlog

from core.adapters.store import Work
from core.domain.audit_event import ITSELF
from core.domain.errors import BadInput, JobUnderWay, Missing, StoreBusy
from core.domain.job_results import BatchCompared, BatchStored, next_job
from core.domain.jobs import Job, JobKind
from core.platform import tracing
from core.rules.ops.schedule import Schedule, Task, missed, next_run
from core.usecases.decisions import request
from workers.runtime.services import Services

log = structlog.get_logger()


def fire_due(services: Services) -> None:
    """Queue the due schedules, each in its own transaction.

    The run is claimed by compare-and-set in the transaction that requests the job, so both happen
    or neither does. Several missed runs are made up for by one.

    Raises:
        StoreUnavailable: the database is away.
    """
    with services.store.read() as work:
        due = work.schedules.due()
    for schedule in due:
        try:
            _fire_one(services, schedule)
        except StoreBusy as error:  # its row is locked; the other schedules are not
            log.warning("cannot fire a schedule yet", schedule=schedule.id, reason=str(error))


def _fire_one(services: Services, schedule: Schedule) -> None:
    with tracing.span("schedule", schedule=schedule.id):
        with services.store.transaction() as work:
            job = _fire(work, schedule)
        if job:
            log.info("schedule fired", schedule=schedule.id, job=job.id)
            services.submit(job.id)


def _fire(work: Work, schedule: Schedule) -> Job | None:
    """Request a schedule's job; None if another process did, or a job is still under way."""
    due = schedule.next_run_at
    if due is None:
        return None
    try:
        after = next_run(schedule.timing, work.now)
        skipped = missed(schedule.timing, due, work.now)
    except BadInput as error:  # such as a time zone that this machine no longer has
        _pause(work, schedule, str(error))
        return None
    if not work.schedules.take(schedule, after):
        return None
    if busy := _under_way(work, schedule):
        _skip(work, schedule, due, busy)
        return None
    job, is_new = _ask(work, schedule, _reason(due, skipped))
    if not is_new:
        _skip(work, schedule, due, job)
        return None
    note = f"Queued job {job.id}"
    note += f"; made up for {skipped + 1} missed runs at once." if skipped else "."
    work.schedules.ran(schedule.id, note, job.id)
    return job


def _ask(work: Work, schedule: Schedule, reason: str) -> tuple[Job, bool]:
    """Request the schedule's job, or return an open ingest, which a schedule does not join."""
    actor = f"schedule {schedule.id}"
    args = {"then_train": True} if schedule.task is Task.ALL else {}
    for job in work.jobs.open():
        if job.kind is JobKind.INGEST:
            return job, False
    try:
        return request(work, JobKind.INGEST, args, actor=actor, reason=reason)
    except JobUnderWay as other:  # it was requested meanwhile
        return work.jobs.get(other.job_id), False


def _reason(due: datetime, skipped: int) -> str:
    late = f", which stands for {skipped} more that were missed" if skipped else ""
    return f"Due at {due:%Y-%m-%d %H:%M} UTC{late}."


def _skip(work: Work, schedule: Schedule, due: datetime, busy: Job) -> None:
    """Skip a run because the previous one, or one that a person requested, is still running."""
    note = (
        f"The run of {due:%Y-%m-%d %H:%M} UTC was left out: {busy.kind.value} {busy.id} was "
        "still under way."
    )
    work.schedules.ran(schedule.id, note)
    work.audit.add(f"schedule {schedule.id}", "left out", f"schedule:{schedule.id}", reason=note)
    log.info("schedule left out", schedule=schedule.id, job=busy.id)


def _pause(work: Work, schedule: Schedule, why: str) -> None:
    if work.schedules.take(schedule, None):
        note = f"Paused, because it cannot be worked out when it is due: {why}"
        work.schedules.ran(schedule.id, note)
        work.audit.add(ITSELF, "pause schedule", f"schedule:{schedule.id}", reason=note)
        log.warning("schedule paused", schedule=schedule.id, reason=why)


def _under_way(work: Work, schedule: Schedule) -> Job | None:
    """The job of the last run, or one that followed from it, if it is still open."""
    job_id = schedule.last_job_id
    while job_id is not None:
        try:
            job = work.jobs.get(job_id)
        except Missing:
            return None
        if not job.state.is_over:
            return job
        result = job.result
        job_id = next_job(result) if isinstance(result, BatchStored | BatchCompared) else None
    return None
