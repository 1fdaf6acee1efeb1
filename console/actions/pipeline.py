"""The actions of an operator on the pipeline: one implementation for pages and command line.

Each action is one transaction that changes the state and puts it on record; the queue hears of
it afterwards, and if Redis is away the reconciler tells it later. An action returns what it
made and raises the errors of `core.domain.errors`, whose messages are for the operator. What each
needs stands above it; who has not that right gets `NotAllowed`, and nothing is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from console.actions.access import demand, needs
from console.actions.queueing import submit
from console.desk import Desk
from core.domain.audit_event import DISMISS
from core.domain.errors import (
    BadInput,
    ConfirmationRequired,
    IllegalTransition,
    Missing,
    QueueUnavailable,
    ReasonRequired,
    SourceRefused,
)
from core.domain.jobs import AGAINST, Job, JobKind, JobState
from core.domain.sources import NO_RESTART, can_restart
from core.rules.access.roles import Actor, Right, right_for
from core.rules.data.training_set import ANYWAY
from core.rules.drift.batch_verdict import BatchVerdict
from core.rules.model.promotion_states import require_reason
from core.usecases import decisions
from core.usecases.batch_facts import newest_batches, training_now, verdict_of
from core.usecases.epoch_end import ends_epoch, trainable
from core.usecases.open_candidates import judge_key, pair_key
from core.usecases.registered_version import require_registered


@needs(Right.RUN)
def request_ingest(
    desk: Desk,
    actor: Actor,
    *,
    restart: bool = False,
    then_train: bool = False,
    ends: int | None = None,
    reason: str = "",
) -> Job:
    """Queue the ingest of the next batch; with `restart`, restart the source first, in a new epoch.

    `then_train` carries on by itself: compare the batch, and train if it has drifted. `ends` is
    the epoch whose end was confirmed; `reason` says why the source is restarted.

    Raises:
        ConfirmationRequired: as far as is known it ends an epoch, and `ends` is not that one.
        JobUnderWay: an ingest is open that does something else.
        SourceRefused: this dataset's source cannot be restarted.
    """
    reason = reason.strip()
    if restart:
        demand(desk, actor, Right.RESTART, "request_ingest")
        if not can_restart(desk.dataset.source):
            raise SourceRefused(NO_RESTART)
    with desk.store.transaction(actor) as work:
        args: dict[str, Any] = {"then_train": True} if then_train else {}
        ending = ends_epoch(work, desk.settings, restart=restart)
        if ending and ending.epoch != ends:
            raise ConfirmationRequired(f"{ending.coming} {ending.counts} Confirm it.".strip())
        epoch = work.batches.epoch()
        if restart and epoch:
            args["restart_epoch"] = epoch.number
            if reason:
                args["reason"] = reason
        job, _ = decisions.request(work, JobKind.INGEST, args, actor=actor.name, reason=reason)
    return submit(desk, job)


@needs(Right.RUN)
def request_drift(desk: Desk, actor: Actor, *, batch_id: int | None = None) -> Job:
    """Queue a comparison of a batch, by default the newest.

    Raises:
        Missing: there is no batch to compare.
        JobUnderWay: a comparison of it is open that does something else.
    """
    with desk.store.transaction(actor) as work:
        batch = work.batches.get(batch_id) if batch_id else work.batches.last_stored()
        if batch is None:
            raise Missing("No batch has been stored yet. Ingest one first.")
        args, key = {"batch_id": batch.id}, f"drift:{batch.id}"
        job, _ = decisions.request(work, JobKind.DRIFT, args, actor=actor.name, key=key)
    return submit(desk, job)


@needs(Right.RUN)
def request_train(desk: Desk, actor: Actor, *, reason: str = "", epoch: int | None = None) -> Job:
    """Queue training on the current epoch's rows, or on those of an earlier `epoch`.

    Rows of held batches are left out. If a training is open already, that job is returned. If the
    verdict about a batch requires training, the verdict is recorded as the reason.

    Raises:
        Missing: there is no batch to train on.
        NothingToTrainOn: every batch of the epoch is held, or its rows were removed.
        ReasonRequired: no reason was given, although the verdict does not require training, the
            same model would result, or the epoch is an earlier one.
    """
    reason = reason.strip()
    with desk.store.transaction(actor) as work:
        now = newest_batches(work, desk.dataset)
        if now.newest is None:
            raise Missing("No batch has been stored yet. Ingest one first.")
        training = training_now(work, desk.dataset, trainable(work, epoch), now)
        args: dict[str, Any] = {"epoch": training.earlier} if training.earlier is not None else {}
        busy = next((j for j in work.jobs.open() if j.kind is JobKind.TRAIN), None)
        if not reason and busy is None and training.why_a_reason:
            raise ReasonRequired(f"{training.why_a_reason} Say why to train anyway.")
        asked = next((v for v in now.verdicts if v.asks), now.newest)
        details = {"drift_rule": asked.rule_asks, "recommendation": asked.recommendation}
        details |= {"retrain_when": asked.decided_by.value}
        if reason and training.same_as is not None:
            args[ANYWAY] = True
        why = reason or asked.sentence
        job, _ = decisions.request(
            work, JobKind.TRAIN, args, actor=actor.name, reason=why, details=details
        )
    return submit(desk, job)


@needs(Right.RUN)
def dismiss_batch(desk: Desk, actor: Actor, batch_id: int, *, reason: str) -> BatchVerdict:
    """Dismiss a batch: it requires no action any more.

    Returns its verdict.

    Raises:
        Missing: there is no such batch.
        ReasonRequired: no reason was given.
        IllegalTransition: nothing is asked for.
    """
    (verdict,) = _dismiss(desk, actor, [batch_id], reason)
    return verdict


@needs(Right.RUN)
def dismiss_batches(
    desk: Desk, actor: Actor, batch_ids: Sequence[int], *, reason: str
) -> tuple[BatchVerdict, ...]:
    """Dismiss several batches for one reason, all or none; each has its row in the audit trail.

    Returns their verdicts.

    Raises:
        Missing, ReasonRequired, IllegalTransition: as `dismiss_batch`.
    """
    return _dismiss(desk, actor, batch_ids, reason)


def _dismiss(
    desk: Desk, actor: Actor, batch_ids: Sequence[int], reason: str
) -> tuple[BatchVerdict, ...]:
    with desk.store.transaction(actor) as work:
        batches = [work.batches.get(batch_id) for batch_id in batch_ids]
        for batch in batches:
            verdict = verdict_of(work, batch)
            if not verdict.waits:
                raise IllegalTransition(f"{verdict.title}; there is nothing to dismiss.")
            reason = require_reason(reason, "dismissing a batch")
            details = {"drift_rule": verdict.rule_asks, "recommendation": verdict.recommendation}
            details |= {"retrain_when": verdict.decided_by.value}
            work.audit.add(actor.name, DISMISS, batch.subject, reason=reason, details=details)
    with desk.store.read() as work:
        return tuple(verdict_of(work, batch) for batch in batches)


@needs(Right.RUN)
def request_judge(desk: Desk, actor: Actor, version: int) -> Job:
    """Queue the re-evaluation of a version against the current champion.

    Raises:
        Missing: the registry has no such version.
    """
    registered = require_registered(desk.registry, desk.store, version)
    with desk.store.transaction(actor) as work:
        decisions.adopt(work, version, actor=actor.name, digest=registered.digest)
        args, key = {"version": version}, judge_key(version)
        job, _ = decisions.request(work, JobKind.JUDGE, args, actor=actor.name, key=key)
    return submit(desk, job)


@needs(Right.RUN)
def request_comparison(desk: Desk, actor: Actor, version: int, other: int) -> Job:
    """Queue a comparison of any two versions on held-out rows that neither was trained on.

    It makes no dossier, and changes nothing that is decided on.

    Raises:
        Missing: one of them was never proposed.
        BadInput: both are the same one.
    """
    if version == other:
        raise BadInput(f"Version {version} cannot be compared with itself. Name another one.")
    with desk.store.transaction(actor) as work:
        for named in (version, other):
            work.promotions.of_version(named)
        newer, older = max(version, other), min(version, other)
        args, key = {"version": newer, AGAINST: older}, pair_key(newer, older)
        job, _ = decisions.request(work, JobKind.JUDGE, args, actor=actor.name, key=key)
    return submit(desk, job)


@needs(Right.RUN)
def cancel(desk: Desk, actor: Actor, job_id: int) -> Job:
    """Cancel a waiting job at once, or ask a running one to stop.

    A running job may hold the lock that this needs, so the cancel is announced through Redis first.

    Raises:
        Missing, IllegalTransition: there is no such job, or it is over.
        StoreBusy: the database could not record it, for example because Redis is unavailable while
            a job loads rows into SQLite.
    """
    job = _demand_for_job(desk, actor, job_id, "cancel")
    if job.state is JobState.RUNNING:
        with suppress(QueueUnavailable):
            desk.queue.announce_cancel(job.id, job.attempt)
    with desk.store.transaction(actor) as work:
        job = work.jobs.cancel(job_id)
        work.audit.add(actor.name, "cancel", f"job:{job_id}")
    if job.state is JobState.CANCELLED:
        # Where Redis is away, the entry finds nothing to claim when its turn comes.
        with suppress(QueueUnavailable):
            desk.queue.drop(job.kind, job.id, job.attempt)
    return job


@needs(Right.RUN)
def retry(desk: Desk, actor: Actor, job_id: int) -> Job:
    """Retry a failed or cancelled job.

    Raises:
        Missing, IllegalTransition: there is no such job, it went well, or one like it runs.
    """
    _demand_for_job(desk, actor, job_id, "retry")
    with desk.store.transaction(actor) as work:
        job = work.jobs.retry(job_id)
        work.audit.add(actor.name, "retry", f"job:{job_id}", details={"attempt": job.attempt})
    return submit(desk, job)


def _demand_for_job(desk: Desk, actor: Actor, job_id: int, verb: str) -> Job:
    """The job, if the actor may request its kind: the same right cancels and retries it."""
    with desk.store.read() as work:
        job = work.jobs.get(job_id)
    demand(desk, actor, right_for(job), verb)
    return job
