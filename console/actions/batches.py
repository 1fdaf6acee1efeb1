"""Skipping and retrying entries of the batch ledger, and reading their quarantine again.

A skipped batch can be retried while its epoch lasts.
"""

from __future__ import annotations

from console.actions.access import needs
from console.actions.queueing import submit
from console.desk import Desk
from core.domain.batches import Batch, BatchState
from core.domain.jobs import Job, JobKind
from core.rules.access.roles import Actor, Right
from core.rules.data.batch_ledger import (
    require_quarantine_readable,
    require_retryable,
    require_skippable,
)
from core.rules.model.promotion_states import require_reason
from core.usecases import decisions


@needs(Right.RUN)
def skip(desk: Desk, actor: Actor, batch_id: int, *, reason: str) -> Batch:
    """Skip a batch that waits or was closed; its bytes stay in the spool.

    If an ingest is storing it at the same time, the first commit wins.

    Raises:
        ReasonRequired: no reason was given.
        Missing, IllegalTransition: there is no such batch, or its state does not allow it.
    """
    with desk.store.transaction(actor) as work:
        batch = work.batches.get(batch_id)
        require_skippable(batch)
        reason = require_reason(reason, "skipping a batch")
        note = f"Skipped by {actor.name}: {reason}"
        work.batches.close(batch, BatchState.SKIPPED, note=note, expected=batch.state)
        details = {"epoch": batch.epoch, "number": batch.number, "from": batch.state.value}
        subject = f"batch:{batch_id}"
        work.audit.add(actor.name, "skip batch", subject, reason=reason, details=details)
        return work.batches.get(batch_id)


@needs(Right.RUN)
def retry(desk: Desk, actor: Actor, batch_id: int, *, reason: str = "") -> Job:
    """Return a batch to the queue with its attempts reset, and queue an ingest that reads it.

    An ingest that is open is joined, unless it restarts the source, which would end the epoch, or
    reads a quarantine.

    Raises:
        Missing, IllegalTransition: there is no such batch, or it cannot be retried.
        JobUnderWay: such a job is open; nothing was done.
    """
    with desk.store.transaction(actor) as work:
        batch = work.batches.get(batch_id)
        epoch = work.batches.epoch()
        require_retryable(batch, epoch.number if epoch else 0)
        work.batches.wait_again(batch)
        details = {"epoch": batch.epoch, "number": batch.number, "from": batch.state.value}
        subject = f"batch:{batch_id}"
        work.audit.add(actor.name, "retry batch", subject, reason=reason.strip(), details=details)
        open_ingest = next((j for j in work.jobs.open() if j.kind is JobKind.INGEST), None)
        args = open_ingest.args if open_ingest else {}
        wanted = {} if args.get("restart_epoch") or args.get("quarantine") else args
        job, _ = decisions.request(work, JobKind.INGEST, wanted, actor=actor.name)
    return submit(desk, job)


@needs(Right.RUN)
def retry_quarantine(desk: Desk, actor: Actor, batch_id: int, *, reason: str = "") -> Job:
    """Queue a job that reads the quarantined rows of a stored batch again.

    Raises:
        Missing, IllegalTransition: there is no such batch, it has no quarantined rows, or its
            epoch is over.
        JobUnderWay: an ingest is open that does something else.
    """
    with desk.store.transaction(actor) as work:
        batch, epoch = work.batches.get(batch_id), work.batches.epoch()
        require_quarantine_readable(batch, epoch.number if epoch else 0)
        args = {"quarantine": batch.id}
        reason = reason.strip()
        job, _ = decisions.request(work, JobKind.INGEST, args, actor=actor.name, reason=reason)
    return submit(desk, job)
