"""Firing schedules: whatever is due is queued once, however many processes look."""

from __future__ import annotations

from datetime import datetime

import structlog

from core import trace
from core.decisions import request
from core.errors import BadInput, Missing
from core.records import Job, JobKind
from core.schedule import Schedule, Task, missed, next_run
from core.store import Work
from workers.wiring import Wiring

_FOLLOWERS = ("drift_job", "train_job")
"""The results in which a job names the one that it queued after itself."""

log = structlog.get_logger()


def fire_due(wiring: Wiring) -> None:
    """Queue what is due, each in a transaction of its own.

    The run is taken by compare-and-set in the transaction that asks for the job, so both
    happen or neither does. Runs that were missed while nothing looked are made up for once.

    Raises:
        StoreUnavailable: the database is away.
    """
    with wiring.store.read() as work:
        due = work.schedules.due()
    for schedule in due:
        with trace.span("schedule", schedule=schedule.id):
            with wiring.store.begin() as work:
                job = _fire(work, schedule)
                work.commit()
            if job:
                log.info("schedule fired", schedule=schedule.id, job=job.id)
                wiring.submit(job.id)


def _fire(work: Work, schedule: Schedule) -> Job | None:
    """Ask for a schedule's job; None if somebody was first, or one is still under way."""
    due = schedule.next_run_at
    if due is None:
        return None
    try:
        after = next_run(schedule.timing, work.now)
        skipped = missed(schedule.timing, due, work.now)
    except BadInput as error:  # such as a zone that this machine no longer knows
        _pause(work, schedule, str(error))
        return None
    if not work.schedules.take(schedule, after):
        return None
    if busy := _under_way(work, schedule):
        _skip(work, schedule, due, busy)
        return None
    actor = f"schedule {schedule.id}"
    args = {"then_train": True} if schedule.task is Task.ALL else {}
    job, is_new = request(work, JobKind.INGEST, args, actor=actor, reason=_reason(due, skipped))
    if not is_new:
        _skip(work, schedule, due, job)
        return None
    note = f"Queued job {job.id}"
    note += f"; made up for {skipped + 1} missed runs at once." if skipped else "."
    work.schedules.ran(schedule.id, note, job.id)
    return job


def _reason(due: datetime, skipped: int) -> str:
    late = f", which stands for {skipped} more that were missed" if skipped else ""
    return f"Due at {due:%Y-%m-%d %H:%M} UTC{late}."


def _skip(work: Work, schedule: Schedule, due: datetime, busy: Job) -> None:
    """Let a run go by because the one before it, or one that a person asked for, still runs."""
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
        work.audit.add("driftdesk", "pause schedule", f"schedule:{schedule.id}", reason=note)
        log.warning("schedule paused", schedule=schedule.id, reason=why)


def _under_way(work: Work, schedule: Schedule) -> Job | None:
    """What the last run still has under way: its job, or one that followed from it."""
    job_id = schedule.last_job_id
    while job_id is not None:
        try:
            job = work.jobs.get(job_id)
        except Missing:
            return None
        if not job.state.is_over:
            return job
        job_id = next((int(job.result[k]) for k in _FOLLOWERS if job.result.get(k)), None)
    return None
