"""The reconciler: repeats the housekeeping tasks and repairs interrupted work.

The job table is authoritative. A job whose lease expired is requested again or given up; a job that
no queue knows is queued again, so a wiped Redis loses nothing; a promotion whose job died is
settled, and an alias that does not name the live version is restored; due schedules are queued;
notifications are sent; live traffic is divided into windows; and versions are scored on new
batches. Any number of reconcilers may run.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from core.adapters.rq_queue import Queue, entry_id
from core.domain.errors import QueueUnavailable, StoreBusy
from core.domain.jobs import Job, JobState
from core.platform import tracing
from core.rules.ops.notification import Event, failed
from core.usecases.alias_agreement import Watchman
from core.usecases.open_candidates import needs_renewal, renew
from core.usecases.queueing import ahead_of
from core.usecases.retention import Retention
from workers.reconciler.forward_scores import score_forward
from workers.reconciler.live_scores import score_live
from workers.reconciler.live_windows import watch_traffic
from workers.reconciler.outbox import post_due
from workers.reconciler.periodic_tasks import Duty
from workers.reconciler.retention import Hourly
from workers.reconciler.schedules import fire_due
from workers.reconciler.settle_promotions import settle_promotions
from workers.runtime.services import Services

_PATIENCE = timedelta(seconds=5)
"""How long a job may be on its way between the table and the queue before we help."""

_AT_ONCE = 20
"""How many jobs one turn takes over or queues again; the next turn goes on."""
_CANDIDATES = 20
"""How many open candidates are looked at each time."""

log = structlog.get_logger()


def duties(services: Services) -> tuple[Duty, ...]:
    """Everything that the reconciler does for a dataset, each apart from the others."""
    watchman = Watchman(services.store, services.registry, services.push)
    hourly = Hourly(Retention.of(services.store, services.settings))
    acts: dict[str, Callable[[], bool | None]] = {
        "take over jobs": lambda: take_over(services),
        "settle promotions": lambda: settle_promotions(services),
        "compare the alias with the record": watchman.look,
        "queue jobs again": lambda: requeue(services),
        "re-evaluate candidates": lambda: renew_candidates(services),
        "fire schedules": lambda: fire_due(services),
        "post notices": lambda: post_due(services),
        "watch live traffic": lambda: watch_traffic(services),
        "score versions on new batches": lambda: score_forward(services),
        "score the live version": lambda: score_live(services),
        "prune": hourly.step,
    }
    return tuple(Duty(name, act, dataset=services.dataset.name) for name, act in acts.items())


def reconcile(services: Services) -> list[str]:
    """Do one turn of every duty, one after the other; returns the names of those that failed."""
    beat(services.queue)
    return [duty.name for duty in duties(services) if not duty.turn()]


def beat(queue: Queue) -> None:
    """Say in Redis that a reconciler looks after things; without Redis nothing is told."""
    try:
        queue.beat(f"{socket.gethostname()}:{os.getpid()}", datetime.now(UTC))
    except QueueUnavailable as error:
        log.debug("Redis is away", reason=str(error))


def take_over(services: Services) -> None:
    """Decide about jobs whose lease ran out, each in a transaction of its own.

    Raises:
        StoreUnavailable: the database is away.
    """
    with services.store.read() as work:
        overdue = work.jobs.overdue(_AT_ONCE)
    for job in overdue:
        try:
            _take_over(services, job)
        except StoreBusy as error:  # its run still holds the row; the others are free
            log.warning("cannot take over a job yet", job=job.id, reason=str(error))


def _take_over(services: Services, job: Job) -> None:
    with services.store.begin() as work:
        after = work.jobs.take_over(job, services.settings.max_attempts)
        if after is None:
            return
        message = f"Worker lost in attempt {job.attempt}; the job {after.state.in_words}."
        if after.state is JobState.REQUESTED:
            message = f"Worker lost; retrying (attempt {after.attempt})."
        work.jobs.log(job.id, message, "warning")
        if after.state is JobState.FAILED:
            work.notifications.add(Event.FAILED, f"job:{job.id}", failed(job, after.error))
        work.commit()
    about = {"job": job.id, "kind": job.kind.value, "attempt": job.attempt}
    log.warning("taken over", state=after.state.value, trace=tracing.trace_id(job.trace), **about)


def requeue(services: Services) -> None:
    """Queue jobs again that wait on record while no queue knows them.

    Raises:
        StoreUnavailable, QueueUnavailable: one of the two is away.
    """
    with services.store.read() as work:
        now, jobs = work.now, work.jobs.open()
    waiting = [
        job
        for job in jobs
        if job.state is JobState.REQUESTED
        or (job.state is JobState.QUEUED and job.requested_at < now - _PATIENCE)
    ]
    if services.in_turn:
        waiting = [job for job in waiting if ahead_of(job, jobs) is None]
    if not waiting:
        return
    known = services.queue.waiting()
    lost = [j for j in waiting if entry_id(j.kind, j.id, j.attempt) not in known]
    for job in lost[:_AT_ONCE]:
        with tracing.span("queue again", parent=job.trace, job=job.id, kind=job.kind.value):
            try:
                services.submit(job.id)
            except StoreBusy as error:  # it is in the queue; only the note of that is missing
                log.warning("cannot note a job as queued yet", job=job.id, reason=str(error))


def renew_candidates(services: Services) -> None:
    """Re-evaluate candidates that were proposed while another version went live.

    Raises:
        StoreUnavailable: the database is away.
    """
    with services.store.read() as work:
        if not needs_renewal(work, _CANDIDATES):
            return
    with services.store.transaction() as work:
        renew(work, _CANDIDATES)
