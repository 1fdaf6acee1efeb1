"""Holding a batch that looks broken, and releasing it: each as one unit of work.

A held batch is excluded from references, error measurement, training and evaluation until a person
releases it. Each change is on record, and notified.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from core.adapters.store import Work
from core.domain.audit_event import ITSELF
from core.domain.batches import Batch, BatchState
from core.domain.errors import DecidedAlready, IllegalTransition, Missing
from core.domain.jobs import Job, JobKind
from core.domain.promotions import Cause, HeldBatch, PromotionState
from core.rules.model.promotion_states import require_reason
from core.rules.ops.notification import Event
from core.usecases.decisions import request
from core.usecases.forced_promotions import close_follow_up

_IN_USE = (PromotionState.PROPOSED, PromotionState.APPROVED, PromotionState.LIVE)


def hold(work: Work, batch_id: int, *, actor: str, reason: str) -> list[Job]:
    """Hold a batch at a person's request; returns the comparisons that are repeated.

    Raises:
        ReasonRequired: no reason was given.
        Missing: there is no such batch.
        IllegalTransition: it has no rows to hold.
        DecidedAlready: it is held already.
    """
    batch = _stored(work, batch_id)
    if not batch.is_held:
        reason = require_reason(reason, "holding a batch")
    if not batch.stored:
        raise IllegalTransition(
            f"Batch {batch.number} of epoch {batch.epoch} has no rows, so there is nothing to hold."
        )
    if not work.holds.hold(batch.id, actor, reason, unless_released=False):
        raise DecidedAlready(f"Batch {batch.number} of epoch {batch.epoch} is held already.")
    return _held(work, batch, actor, reason)


def hold_broken(work: Work, batch: Batch, faults: Sequence[str]) -> list[Job]:
    """Hold a batch that looks broken, unless a person has released it.

    Returns the comparisons with this batch, which are repeated.
    """
    reason = " ".join(faults)
    if not work.holds.hold(batch.id, ITSELF, reason, unless_released=True):
        return []
    return _held(work, batch, ITSELF, reason)


def release(work: Work, batch_id: int, *, actor: str, reason: str) -> Batch:
    """Release a held batch: later comparisons and trainings use it again.

    Existing reports stay as they are; a repeated comparison uses it.

    Raises:
        ReasonRequired: no reason was given.
        Missing: there is no such batch.
        IllegalTransition: it is not held.
    """
    batch = _stored(work, batch_id)
    if batch.is_held:
        reason = require_reason(reason, "releasing a batch")
    if not work.holds.release(batch.id):
        raise IllegalTransition(f"Batch {batch.number} of epoch {batch.epoch} is not held.")
    about = {"epoch": batch.epoch, "batch": batch.number, "held_for": batch.hold_reason or ""}
    work.audit.add(actor, "release batch", batch.subject, reason=reason, details=about)
    sentence = f"Batch {batch.number} of epoch {batch.epoch} was released by {actor}: {reason}"
    work.notifications.add(Event.HELD, batch.subject, sentence)
    for version in work.lineage.versions_of(batch.id):
        _close_trained_on_held(work, version, actor, sentence)
    return work.batches.get(batch.id)


def note_trained_on_held(
    work: Work, version: int, held: Iterable[Batch | HeldBatch], actor: str
) -> None:
    """Open a follow-up for a version whose training rows came with these held batches."""
    numbers = sorted({b.number for b in held if b.number is not None})
    if not numbers:
        return
    named = ", ".join(map(str, numbers))
    what = f"batch {named}, which is held" if len(numbers) == 1 else f"batches {named}, all held"
    it = "it" if len(numbers) == 1 else "them"
    work.force_requests.open_follow_up(
        f"version:{version}",
        f"Version {version} was trained on {what}. Train again without {it} and replace the "
        f"version, or release {it}.",
        actor,
        Cause.HELD,
    )


def _close_trained_on_held(work: Work, version: int, actor: str, released: str) -> None:
    """Close a version's follow-ups about held batches; others that are still held get a new one."""
    tasks = work.force_requests.of_cause(f"version:{version}", Cause.HELD)
    for task in tasks:
        with suppress(DecidedAlready):  # a person has closed it meanwhile
            close_follow_up(work, task.id, actor=actor, note=released)
    if tasks and _is_in_use(work, version):
        note_trained_on_held(work, version, work.promotions.of_version(version).held, actor)


def why_not_before(work: Work, reference: Batch | None, batch: Batch) -> str:
    """Why a batch is not compared with the one just before it; empty where it is."""
    skipped = work.holds.passed_over(reference.id if reference else 0, batch.id)
    return ", ".join(
        f"batch {b.number} is held" if b.is_held else f"batch {b.number} has no rows"
        for b in reversed(skipped)
    )


def _stored(work: Work, batch_id: int) -> Batch:
    batch = work.batches.get(batch_id)
    if batch.state is not BatchState.STORED:
        raise IllegalTransition(
            f"Entry {batch_id} of the ledger {batch.state.in_words}: it has no rows to hold."
        )
    return batch


def _held(work: Work, batch: Batch, actor: str, reason: str) -> list[Job]:
    """Record a hold, and repeat or follow up what has used the batch."""
    about = {"epoch": batch.epoch, "batch": batch.number}
    work.audit.add(actor, "hold batch", batch.subject, reason=reason, details=about)
    sentence = f"Batch {batch.number} of epoch {batch.epoch} is held: {reason}"
    work.notifications.add(Event.HELD, batch.subject, sentence)
    for version in work.lineage.versions_of(batch.id):
        if _is_in_use(work, version):
            note_trained_on_held(work, version, [batch], actor)
    again = []
    waiting = {j.args.get("batch_id") for j in work.jobs.open() if j.kind is JobKind.DRIFT}
    for other in work.drift.referring_to(batch.id):
        if other in waiting:  # it will be compared again anyway
            continue
        args = {"batch_id": other}
        why = f"It was compared with batch {batch.number}, which is held now."
        job, _ = request(work, JobKind.DRIFT, args, actor=actor, reason=why, key=f"drift:{other}")
        again.append(job)
    return again


def _is_in_use(work: Work, version: int) -> bool:
    try:
        return work.promotions.of_version(version).state in _IN_USE
    except Missing:
        return False
