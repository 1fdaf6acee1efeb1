"""Events of other programs: a batch is ready, so an ingest is queued.

A scheduler or a bucket's notification proves itself by a signature, not by a login.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from console.actions.access import needs
from console.actions.queueing import submit
from console.desk import Desk
from core.domain.jobs import Job, JobKind
from core.platform.settings import Settings
from core.rules.access.roles import Actor, Right, Role
from core.rules.ops.signed_delivery import WINDOW_SECONDS, require_genuine
from core.usecases import decisions

MOST_A_MINUTE = 30
"""How many deliveries are accepted in a minute."""

_KEPT = timedelta(seconds=3 * WINDOW_SECONDS)
"""Longer than a signature is valid, also if the sender's clock is ahead."""


def sender(
    settings: Settings, headers: Mapping[str, str], content: bytes, now: int
) -> tuple[Actor, str]:
    """Who delivered an event, and the delivery's id; `now` is in seconds since 1970.

    Raises:
        NotGenuine: the delivery is not signed with EVENTS_SECRET.
    """
    secret = settings.events_secret.get_secret_value()
    uid = require_genuine(secret, headers, content, now)
    return Actor("event batch-ready", Role.OPERATOR, f"signature of delivery {uid}"), uid


@needs(Right.RUN)
def batch_ready(desk: Desk, actor: Actor, delivery: str) -> Job:
    """Queue an ingest, or join the one that is open.

    Like a schedule, it does not ask before an ingest that ends the epoch (SOURCE_RESTART).

    Raises:
        DeliveredAlready: the delivery was accepted before.
        TooManyDeliveries: too many were accepted lately.
        JobUnderWay: an ingest is open that does not ask the source; the delivery may come again.
    """
    with desk.store.transaction(actor) as work:
        work.deliveries.accept(delivery, kept=_KEPT, most=MOST_A_MINUTE)
        wanted = next(
            (
                job.args
                for job in work.jobs.open()
                if job.kind is JobKind.INGEST and job.args.keys() <= {"then_train", "reason"}
            ),
            {},
        )
        job, _ = decisions.request(
            work, JobKind.INGEST, wanted, actor=actor.name, details={"delivery": delivery}
        )
    return submit(desk, job)
