"""The reconciler: finds what was left behind, and puts it back on its way.

The job table is the truth. A job whose lease ran out is asked for again or given up; a job
that no queue knows is queued again, so a wiped Redis loses nothing; a promotion whose job
died is settled, and the alias put back; what a schedule asks for is queued; notices are posted;
and live traffic is cut into windows. Any number of reconcilers may run.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import structlog

from core import trace
from core.errors import DecidedAlready, DriftdeskError, QueueUnavailable
from core.notice import Event, failed
from core.queue import entry_id
from core.records import JobKind, JobState, Promotion, PromotionState
from workers.outbox import post_due
from workers.schedules import fire_due
from workers.traffic import watch_traffic
from workers.wiring import Wiring

_PATIENCE = timedelta(seconds=5)
"""How long a job may be on its way between the table and the queue before we help."""

log = structlog.get_logger()


def reconcile(wiring: Wiring) -> None:
    """Look once at everything that is not over.

    Raises:
        Unavailable: the database or a neighbour is away; look again later.
    """
    with suppress(QueueUnavailable):
        wiring.queue.beat(f"{socket.gethostname()}:{os.getpid()}", datetime.now(UTC))
    _take_over(wiring)
    _settle(wiring)
    _requeue(wiring)
    fire_due(wiring)
    post_due(wiring)
    watch_traffic(wiring)


def _take_over(wiring: Wiring) -> None:
    with wiring.store.begin() as work:
        for job in work.jobs.overdue():
            after = work.jobs.take_over(job, wiring.settings.max_attempts)
            message = f"The worker of attempt {job.attempt} is gone; the job is {after.state} now."
            work.jobs.log(job.id, message, "warning")
            if after.state is JobState.FAILED and after.finished_at == work.now:  # by us
                work.notify.add(Event.FAILED, f"job:{job.id}", failed(job, after.error))
            log.warning(
                "taken over",
                job=job.id,
                kind=job.kind.value,
                attempt=job.attempt,
                state=after.state.value,
                trace=trace.trace_id(job.trace),
            )
        work.commit()


def _requeue(wiring: Wiring) -> None:
    with wiring.store.read() as work:
        now = work.now
        waiting = [
            job
            for job in work.jobs.open()
            if job.state in (JobState.REQUESTED, JobState.QUEUED)
            and (job.state is JobState.REQUESTED or job.requested_at < now - _PATIENCE)
        ]
    if not waiting:
        return
    try:
        known = wiring.queue.waiting()
    except QueueUnavailable as error:
        log.warning("Redis is away", reason=str(error))
        return
    for job in waiting:
        if entry_id(job.kind, job.id, job.attempt) not in known:
            with trace.span("queue again", parent=job.trace, job=job.id, kind=job.kind.value):
                wiring.submit(job.id)


def _settle(wiring: Wiring) -> None:
    """Fail promotions that are approved while nobody carries them out."""
    with wiring.store.read() as work:
        busy = {j.args.get("promotion_id") for j in work.jobs.open() if j.kind is JobKind.PROMOTE}
        approved = work.promotions.latest(state=PromotionState.APPROVED)
        live = work.promotions.live()
    for promotion in approved:
        if promotion.id not in busy:
            _give_up(wiring, promotion, live.version if live else None)


def _give_up(wiring: Wiring, promotion: Promotion, live: int | None) -> None:
    try:
        if wiring.registry.champion() == promotion.version:
            wiring.registry.set_champion(live)
        failure = "The promote job ended without saying how; the alias names what is live."
    except DriftdeskError as error:
        log.warning("cannot settle a promotion yet", version=promotion.version, reason=str(error))
        return
    with wiring.store.begin() as work:
        try:
            work.promotions.fail(promotion, failure)
        except DecidedAlready:
            return
        work.audit.add(
            "driftdesk", "promotion failed", f"version:{promotion.version}", reason=failure
        )
        work.commit()
