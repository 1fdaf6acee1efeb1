"""Holding and releasing batches."""

from __future__ import annotations

from console.actions.access import needs
from console.actions.queueing import submit
from console.desk import Desk
from core.domain.batches import Batch
from core.rules.access.roles import Actor, Right
from core.usecases import batch_holds


@needs(Right.RUN)
def hold_batch(desk: Desk, actor: Actor, batch_id: int, *, reason: str) -> Batch:
    """Hold a batch: it is excluded from comparisons, scores and training.

    Comparisons that used it are repeated.

    Raises:
        ReasonRequired, Missing, IllegalTransition, DecidedAlready: see
        `core.usecases.batch_holds.hold`.
    """
    with desk.store.transaction(actor) as work:
        again = batch_holds.hold(work, batch_id, actor=actor.name, reason=reason)
        batch = work.batches.get(batch_id)
    for job in again:
        submit(desk, job)
    return batch


@needs(Right.RUN)
def release_batch(desk: Desk, actor: Actor, batch_id: int, *, reason: str) -> Batch:
    """Release a held batch: it is used in comparisons, scores and training again.

    Raises:
        ReasonRequired, Missing, IllegalTransition: see `core.usecases.batch_holds.release`.
    """
    with desk.store.transaction(actor) as work:
        return batch_holds.release(work, batch_id, actor=actor.name, reason=reason)
