"""What an operator may do: the same for every page, the CLI, and any other caller.

Each action is one transaction that changes the state and puts it on record; the queue hears of
it afterwards, and if Redis is away the reconciler tells it later. An action returns what it
made and raises the errors of `core.errors`, whose messages are for the operator.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from console.desk import Desk
from core import decisions
from core.errors import Missing, QueueUnavailable, ReasonRequired
from core.limits import Key
from core.records import Job, JobKind, JobState, Promotion
from core.store import Work


def request_ingest(
    desk: Desk, actor: str, *, restart: bool = False, then_train: bool = False
) -> Job:
    """Queue the next batch; with `restart`, start the source over first, in a new epoch.

    `then_train` carries on by itself: compare the batch, and train if it has drifted.
    """
    with desk.store.begin() as work:
        args: dict[str, Any] = {"then_train": True} if then_train else {}
        epoch = work.batches.epoch()
        if restart and epoch:
            args["restart_epoch"] = epoch.number
        job = _request(work, JobKind.INGEST, args, actor)
    return _submit(desk, job)


def request_drift(desk: Desk, actor: str, *, batch_id: int | None = None) -> Job:
    """Queue a comparison of a batch, by default the newest.

    Raises:
        Missing: there is no batch to compare.
    """
    with desk.store.begin() as work:
        batch = work.batches.get(batch_id) if batch_id else work.batches.last_stored()
        if batch is None:
            raise Missing("No batch has been stored yet. Ingest one first.")
        key = f"drift:{batch.id}"
        job = _request(work, JobKind.DRIFT, {"batch_id": batch.id}, actor, key=key)
    return _submit(desk, job)


def request_train(desk: Desk, actor: str, *, reason: str = "") -> Job:
    """Queue training on the current epoch's rows.

    Raises:
        Missing: there is no batch to train on.
        ReasonRequired: the newest batch asks for no training, and no reason was given.
    """
    with desk.store.begin() as work:
        batch = work.batches.last_stored()
        if batch is None:
            raise Missing("No batch has been stored yet. Ingest one first.")
        reports = work.drift.latest(2, batch_id=batch.id)
        if not any(r.report.retrain for r in reports) and not reason.strip():
            why = "asks for no training" if reports else "has not been compared yet"
            raise ReasonRequired(f"Batch {batch.number} {why}. Say why to train anyway.")
        job = _request(work, JobKind.TRAIN, {}, actor, reason=reason.strip())
    return _submit(desk, job)


def set_limits(desk: Desk, actor: str, wanted: Mapping[Key, float | None], *, reason: str) -> None:
    """Set drift limits from now on; None gives one back to the dataset file.

    Raises:
        BadInput, ReasonRequired: see `core.decisions.set_limits`.
    """
    with desk.store.begin() as work:
        decisions.set_limits(work, desk.dataset, wanted, actor=actor, reason=reason)
        work.commit()


def approve(desk: Desk, actor: str, version: int, *, reason: str = "") -> Job:
    """Approve a candidate and queue its promotion.

    Raises:
        Missing, IllegalTransition, DecidedAlready: see `core.decisions.approve`.
    """
    champion = desk.registry.champion()
    with desk.store.begin() as work:
        job = decisions.approve(work, version, actor=actor, champion=champion, reason=reason)
        work.commit()
    return _submit(desk, job)


def reject(desk: Desk, actor: str, version: int, *, reason: str) -> Promotion:
    """Turn a candidate down.

    Raises:
        ReasonRequired: no reason was given.
        Missing, IllegalTransition, DecidedAlready: see `core.decisions.reject`.
    """
    with desk.store.begin() as work:
        promotion = decisions.reject(work, version, actor=actor, reason=reason)
        work.commit()
    return promotion


def force(desk: Desk, actor: str, version: int, *, reason: str) -> Job:
    """Promote any version of the registry, whatever was recommended or decided before.

    Raises:
        ReasonRequired: no reason was given.
        Missing: the registry has no such version.
        IllegalTransition: it is live already, or another promotion is under way.
    """
    champion = desk.registry.champion()
    known = {v.version: v for v in desk.registry.versions()}
    if version not in known:
        raise Missing(f"The registry has no version {version}.")
    with desk.store.begin() as work:
        decisions.adopt(work, version, actor=actor, digest=known[version].digest)
        job = decisions.approve(
            work,
            version,
            actor=actor,
            champion=champion,
            reason=reason,
            forced=True,
            action="force",
        )
        work.commit()
    return _submit(desk, job)


def roll_back(desk: Desk, actor: str, *, reason: str) -> Job:
    """Go back to the version that was live before.

    Raises:
        ReasonRequired: no reason was given.
        IllegalTransition: there is none, or another promotion is under way.
    """
    champion = desk.registry.champion()
    with desk.store.begin() as work:
        job = decisions.roll_back(work, actor=actor, champion=champion, reason=reason)
        work.commit()
    return _submit(desk, job)


def cancel(desk: Desk, actor: str, job_id: int) -> Job:
    """Cancel a waiting job at once, or ask a running one to stop.

    Raises:
        Missing, IllegalTransition: there is no such job, or it is over.
    """
    with desk.store.begin() as work:
        job = work.jobs.cancel(job_id)
        work.audit.add(actor, "cancel", f"job:{job_id}")
        work.commit()
    if job.state is JobState.CANCELLED:
        # Where Redis is away, the entry finds nothing to claim when its turn comes.
        with suppress(QueueUnavailable):
            desk.queue.drop(job.kind, job.id, job.attempt)
    return job


def retry(desk: Desk, actor: str, job_id: int) -> Job:
    """Ask once more for a job that failed or was cancelled.

    Raises:
        Missing, IllegalTransition: there is no such job, it went well, or one like it runs.
    """
    with desk.store.begin() as work:
        job = work.jobs.retry(job_id)
        work.audit.add(actor, "retry", f"job:{job_id}", details={"attempt": job.attempt})
        work.commit()
    return _submit(desk, job)


def predict(desk: Desk, row: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the served model.

    Raises:
        BadRow: the row does not fit the live model.
        ServingUnavailable: serving is away, or has no model yet.
    """
    return desk.serving.predict(row)


def _request(
    work: Work,
    kind: JobKind,
    args: dict[str, Any],
    actor: str,
    *,
    reason: str = "",
    key: str = "",
) -> Job:
    job, is_new = decisions.request(work, kind, args, actor=actor, reason=reason, key=key)
    if is_new:
        work.commit()
    return job


def _submit(desk: Desk, job: Job) -> Job:
    """Tell the queue; if it is away the job stays REQUESTED, and is queued when it is back."""
    if job.state is not JobState.REQUESTED:
        return job
    try:
        desk.queue.submit(job.kind, job.id, job.attempt)
    except QueueUnavailable:
        return job
    with desk.store.begin() as work:
        work.jobs.mark_queued(job.id, job.attempt)
        work.commit()
        return work.jobs.get(job.id)
