"""What an operator may do: the same for every page, the CLI, and any other caller.

Each action is one transaction that changes the state and puts it on record; the queue hears of
it afterwards, and if Redis is away the reconciler tells it later. An action returns what it
made and raises the errors of `core.errors`, whose messages are for the operator. What each needs
stands above it; who has not that right gets `NotAllowed`, and nothing is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from console.access import demand, needs
from console.desk import Desk
from core import decisions
from core.errors import IllegalTransition, Missing, QueueUnavailable, ReasonRequired
from core.limits import Key
from core.promotion import require_reason
from core.records import FollowUp, ForceRequest, Job, JobKind, JobState, Promotion
from core.roles import Actor, Right, right_for
from core.store import Work

PREDICTED_AT_ONCE = 500
"""Rows in one request to serving: a small part of a second, so that progress is seen."""


@needs(Right.RUN)
def request_ingest(
    desk: Desk, actor: Actor, *, restart: bool = False, then_train: bool = False
) -> Job:
    """Queue the next batch; with `restart`, start the source over first, in a new epoch.

    `then_train` carries on by itself: compare the batch, and train if it has drifted.
    """
    if restart:
        demand(desk, actor, Right.RESTART, "request_ingest")
    with desk.store.begin(by=actor) as work:
        args: dict[str, Any] = {"then_train": True} if then_train else {}
        epoch = work.batches.epoch()
        if restart and epoch:
            args["restart_epoch"] = epoch.number
        job = _request(work, JobKind.INGEST, args, actor)
    return _submit(desk, job)


@needs(Right.RUN)
def request_drift(desk: Desk, actor: Actor, *, batch_id: int | None = None) -> Job:
    """Queue a comparison of a batch, by default the newest.

    Raises:
        Missing: there is no batch to compare.
    """
    with desk.store.begin(by=actor) as work:
        batch = work.batches.get(batch_id) if batch_id else work.batches.last_stored()
        if batch is None:
            raise Missing("No batch has been stored yet. Ingest one first.")
        key = f"drift:{batch.id}"
        job = _request(work, JobKind.DRIFT, {"batch_id": batch.id}, actor, key=key)
    return _submit(desk, job)


@needs(Right.RUN)
def request_train(desk: Desk, actor: Actor, *, reason: str = "") -> Job:
    """Queue training on the current epoch's rows.

    Raises:
        Missing: there is no batch to train on.
        ReasonRequired: the newest batch asks for no training, and no reason was given.
    """
    with desk.store.begin(by=actor) as work:
        batch = work.batches.last_stored()
        if batch is None:
            raise Missing("No batch has been stored yet. Ingest one first.")
        reports = work.drift.latest(2, batch_id=batch.id)
        if not any(r.report.retrain for r in reports) and not reason.strip():
            why = "asks for no training" if reports else "has not been compared yet"
            raise ReasonRequired(f"Batch {batch.number} {why}. Say why to train anyway.")
        job = _request(work, JobKind.TRAIN, {}, actor, reason=reason.strip())
    return _submit(desk, job)


@needs(Right.LIMITS)
def set_limits(
    desk: Desk, actor: Actor, wanted: Mapping[Key, float | None], *, reason: str
) -> None:
    """Set drift limits from now on; None gives one back to the dataset file.

    Raises:
        BadInput, ReasonRequired: see `core.decisions.set_limits`.
    """
    with desk.store.begin(by=actor) as work:
        decisions.set_limits(work, desk.dataset, wanted, actor=actor.name, reason=reason)
        work.commit()


@needs(Right.DECIDE)
def approve(desk: Desk, actor: Actor, version: int, *, digest: str = "", reason: str = "") -> Job:
    """Approve a candidate on its dossier and queue its promotion.

    `digest` is that of the dossier which was looked at; by default the one on record now.

    Raises:
        Missing, IllegalTransition, StaleDossier, DecidedAlready: see `core.decisions.approve`.
    """
    champion = desk.registry.champion()
    with desk.store.begin(by=actor) as work:
        digest = digest or work.promotions.of_version(version).dossier_digest
        job = decisions.approve(
            work, version, actor=actor.name, champion=champion, digest=digest, reason=reason
        )
        work.commit()
    return _submit(desk, job)


@needs(Right.RUN)
def request_judge(desk: Desk, actor: Actor, version: int) -> Job:
    """Queue a version's dossier to be made anew, against today's champion.

    Raises:
        Missing: the registry has no such version.
    """
    known = {v.version: v for v in desk.registry.versions()}
    if version not in known:
        raise Missing(f"The registry has no version {version}.")
    with desk.store.begin(by=actor) as work:
        decisions.adopt(work, version, actor=actor.name, digest=known[version].digest)
        job = _request(work, JobKind.JUDGE, {"version": version}, actor, key=f"judge:{version}")
    return _submit(desk, job)


@needs(Right.DECIDE)
def reject(desk: Desk, actor: Actor, version: int, *, reason: str) -> Promotion:
    """Turn a candidate down.

    Raises:
        ReasonRequired: no reason was given.
        Missing, IllegalTransition, DecidedAlready: see `core.decisions.reject`.
    """
    with desk.store.begin(by=actor) as work:
        promotion = decisions.reject(work, version, actor=actor.name, reason=reason)
        work.commit()
    return promotion


@needs(Right.DECIDE)
def force(desk: Desk, actor: Actor, version: int, *, reason: str) -> Job | ForceRequest:
    """Promote any version of the registry, whatever was recommended or decided before.

    With `REVIEWERS_REQUIRED=2` it only asks for that, and another person confirms.

    Raises:
        ReasonRequired: no reason was given.
        Missing: the registry has no such version.
        IllegalTransition: it is live already, or another promotion is under way.
        DecidedAlready: it has been asked for already.
    """
    champion = desk.registry.champion()
    known = {v.version: v for v in desk.registry.versions()}
    if version not in known:
        raise Missing(f"The registry has no version {version}.")
    with desk.store.begin(by=actor) as work:
        decisions.adopt(work, version, actor=actor.name, digest=known[version].digest)
        made = decisions.force(
            work,
            version,
            actor=actor.name,
            champion=champion,
            reason=reason,
            reviewers=desk.settings.reviewers_required,
        )
        work.commit()
    return made if isinstance(made, ForceRequest) else _submit(desk, made)


@needs(Right.DECIDE)
def confirm_force(desk: Desk, actor: Actor, version: int) -> Job:
    """Confirm, as a second person, a force that somebody else asked for.

    Raises:
        Missing, SecondPersonRequired, IllegalTransition, DecidedAlready: see
            `core.decisions.confirm_force`.
    """
    champion = desk.registry.champion()
    with desk.store.begin(by=actor) as work:
        job = decisions.confirm_force(work, version, actor=actor.name, champion=champion)
        work.commit()
    return _submit(desk, job)


@needs(Right.DECIDE)
def withdraw_force(desk: Desk, actor: Actor, version: int, *, reason: str = "") -> None:
    """Take back, or turn down, a force that waits for a second person.

    Raises:
        Missing, DecidedAlready: see `core.decisions.withdraw_force`.
    """
    with desk.store.begin(by=actor) as work:
        decisions.withdraw_force(work, version, actor=actor.name, reason=reason)
        work.commit()


@needs(Right.DECIDE)
def close_follow_up(desk: Desk, actor: Actor, follow_up_id: int, *, note: str) -> FollowUp:
    """Close a follow-up with what was found.

    Raises:
        ReasonRequired, Missing, DecidedAlready: see `core.decisions.close_follow_up`.
    """
    with desk.store.begin(by=actor) as work:
        found = decisions.close_follow_up(work, follow_up_id, actor=actor.name, note=note)
        work.commit()
    return found


@needs(Right.DECIDE)
def put_back(desk: Desk, actor: Actor, *, reason: str) -> None:
    """Let the registry name what was decided here, after somebody changed it behind our back.

    Raises:
        ReasonRequired: no reason was given.
        IllegalTransition: a promotion is under way, or nothing was ever decided.
        RegistryUnavailable: MLflow is away.
    """
    reason = require_reason(reason, "putting the alias back")
    with desk.store.read() as work:
        live = work.promotions.live()
        if live is None:
            raise IllegalTransition("Nothing is live here, so there is nothing to put back.")
        if any(job.kind is JobKind.PROMOTE for job in work.jobs.open()):
            raise IllegalTransition("A promotion is under way; wait until it has ended.")
    found = desk.registry.champion()
    desk.registry.set_champion(live.version)
    with desk.store.begin(by=actor) as work:
        work.audit.add(
            actor.name,
            "put back",
            f"version:{live.version}",
            reason=reason,
            details={"found": found},
        )
        work.commit()


@needs(Right.DECIDE)
def roll_back(desk: Desk, actor: Actor, *, reason: str) -> Job:
    """Go back to the version that was live before.

    Raises:
        ReasonRequired: no reason was given.
        IllegalTransition: there is none, or another promotion is under way.
    """
    champion = desk.registry.champion()
    with desk.store.begin(by=actor) as work:
        job = decisions.roll_back(work, actor=actor.name, champion=champion, reason=reason)
        work.commit()
    return _submit(desk, job)


@needs(Right.RUN)
def cancel(desk: Desk, actor: Actor, job_id: int) -> Job:
    """Cancel a waiting job at once, or ask a running one to stop.

    Raises:
        Missing, IllegalTransition: there is no such job, or it is over.
    """
    _demand_for_job(desk, actor, job_id, "cancel")
    with desk.store.begin(by=actor) as work:
        job = work.jobs.cancel(job_id)
        work.audit.add(actor.name, "cancel", f"job:{job_id}")
        work.commit()
    if job.state is JobState.CANCELLED:
        # Where Redis is away, the entry finds nothing to claim when its turn comes.
        with suppress(QueueUnavailable):
            desk.queue.drop(job.kind, job.id, job.attempt)
    return job


@needs(Right.RUN)
def retry(desk: Desk, actor: Actor, job_id: int) -> Job:
    """Ask once more for a job that failed or was cancelled.

    Raises:
        Missing, IllegalTransition: there is no such job, it went well, or one like it runs.
    """
    _demand_for_job(desk, actor, job_id, "retry")
    with desk.store.begin(by=actor) as work:
        job = work.jobs.retry(job_id)
        work.audit.add(actor.name, "retry", f"job:{job_id}", details={"attempt": job.attempt})
        work.commit()
    return _submit(desk, job)


@needs(Right.PREDICT)
def predict(
    desk: Desk,
    actor: Actor,  # noqa: ARG001 - the guard asks it
    row: Mapping[str, Any],
    *,
    explain: bool = False,
) -> dict[str, Any]:
    """Ask the served model; with `explain`, also for what pushed its answer.

    Raises:
        BadRow: the row does not fit the live model.
        ServingUnavailable: serving is away, or has no model yet.
    """
    return desk.serving.predict(row, explain=explain)


@needs(Right.PREDICT)
def give_feedback(
    desk: Desk,
    actor: Actor,  # noqa: ARG001 - the guard asks it
    prediction_id: str,
    actual: float,
) -> None:
    """Say what an answer should have been, in the target's unit.

    Raises:
        BadRow: it is no id, or no number.
        ServingUnavailable: serving is away.
    """
    desk.serving.feedback(prediction_id, actual)


@needs(Right.PREDICT)
def predict_rows(
    desk: Desk,
    actor: Actor,  # noqa: ARG001 - the guard asks it
    rows: Sequence[Mapping[str, Any]],
) -> Iterator[list[dict[str, Any]]]:
    """Ask the served model for many rows, some hundreds at a time; yields each lot's answers.

    Raises:
        BadRow: a row does not fit the live model, which may have changed meanwhile; the lots
            before it are answered.
        ServingUnavailable: serving is away, or has no model any more.
    """
    for start in range(0, len(rows), PREDICTED_AT_ONCE):
        yield desk.serving.predict_batch(rows[start : start + PREDICTED_AT_ONCE])


def _demand_for_job(desk: Desk, actor: Actor, job_id: int, verb: str) -> None:
    """A job is cancelled or repeated by who may ask for it; its kind never changes."""
    with desk.store.read() as work:
        right = right_for(work.jobs.get(job_id))
    demand(desk, actor, right, verb)


def _request(
    work: Work,
    kind: JobKind,
    args: dict[str, Any],
    actor: Actor,
    *,
    reason: str = "",
    key: str = "",
) -> Job:
    job, is_new = decisions.request(work, kind, args, actor=actor.name, reason=reason, key=key)
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
