"""What an operator may decide about a model version."""

from __future__ import annotations

from console.actions.access import needs
from console.actions.queueing import submit
from console.desk import Desk
from core.domain.jobs import Job
from core.domain.promotions import FollowUp, ForceRequest, Promotion
from core.rules.access.roles import Actor, Right
from core.rules.model.promotion_states import Seen
from core.usecases import alias_agreement, decisions, forced_promotions
from core.usecases.registered_version import require_registered


@needs(Right.DECIDE)
def approve(
    desk: Desk,
    actor: Actor,
    version: int,
    *,
    digest: str = "",
    reason: str = "",
    seen: Seen | None = None,
) -> Job:
    """Approve a candidate on its dossier and queue its promotion.

    `digest` is that of the dossier which was looked at, by default the one on record now; `seen`
    is what the person saw as live.

    Raises:
        Missing, IllegalTransition, StaleDossier, DecidedAlready: see
        `core.usecases.decisions.approve`.
    """
    champion = desk.registry.champion()
    with desk.store.transaction(actor) as work:
        digest = digest or work.promotions.of_version(version).dossier_digest
        job = decisions.approve(
            work,
            version,
            actor=actor.name,
            champion=champion,
            digest=digest,
            reason=reason.strip(),
            seen=seen,
        )
    return submit(desk, job)


@needs(Right.DECIDE)
def reject(desk: Desk, actor: Actor, version: int, *, reason: str) -> Promotion:
    """Turn a candidate down.

    Raises:
        ReasonRequired: no reason was given.
        Missing, IllegalTransition, DecidedAlready: see `core.usecases.decisions.reject`.
    """
    with desk.store.transaction(actor) as work:
        return decisions.reject(work, version, actor=actor.name, reason=reason)


@needs(Right.DECIDE)
def force(
    desk: Desk,
    actor: Actor,
    version: int,
    *,
    reason: str,
    digest: str | None = None,
    seen: Seen | None = None,
) -> Job | ForceRequest:
    """Promote any version of the registry, whatever was recommended or decided before.

    With `REVIEWERS_REQUIRED=2` it only asks for that, and another person confirms. `digest` is that
    of the dossier which was looked at, empty where there was none; None: not given.

    Raises:
        ReasonRequired: no reason was given.
        Missing: the registry has no such version.
        IllegalTransition: it is live already, or another promotion is under way.
        StaleDossier: another version is live than the person saw, or it was re-evaluated.
        DecidedAlready: it has been asked for already.
    """
    champion = desk.registry.champion()
    registered = require_registered(desk.registry, desk.store, version)
    with desk.store.transaction(actor) as work:
        decisions.adopt(work, version, actor=actor.name, digest=registered.digest)
        outcome = forced_promotions.force(
            work,
            version,
            actor=actor.name,
            champion=champion,
            reason=reason,
            reviewers=desk.settings.reviewers_required,
            digest=digest,
            seen=seen,
        )
    return outcome if isinstance(outcome, ForceRequest) else submit(desk, outcome)


@needs(Right.DECIDE)
def confirm_force(
    desk: Desk,
    actor: Actor,
    version: int,
    *,
    digest: str | None = None,
    seen: Seen | None = None,
) -> Job:
    """Confirm, as a second person, a force that another person requested.

    Raises:
        Missing, SecondPersonRequired, IllegalTransition, StaleDossier, DecidedAlready: see
            `core.usecases.forced_promotions.confirm_force`.
    """
    champion = desk.registry.champion()
    with desk.store.transaction(actor) as work:
        job = forced_promotions.confirm_force(
            work, version, actor=actor.name, champion=champion, digest=digest, seen=seen
        )
    return submit(desk, job)


@needs(Right.DECIDE)
def withdraw_force(desk: Desk, actor: Actor, version: int, *, reason: str = "") -> ForceRequest:
    """Take back, or turn down, a force that waits for a second person.

    Raises:
        Missing, DecidedAlready: see `core.usecases.forced_promotions.withdraw_force`.
    """
    with desk.store.transaction(actor) as work:
        return forced_promotions.withdraw_force(work, version, actor=actor.name, reason=reason)


@needs(Right.DECIDE)
def close_follow_up(desk: Desk, actor: Actor, follow_up_id: int, *, note: str) -> FollowUp:
    """Close a follow-up with what was found.

    Raises:
        ReasonRequired, Missing, DecidedAlready: see
        `core.usecases.forced_promotions.close_follow_up`.
    """
    with desk.store.transaction(actor) as work:
        return forced_promotions.close_follow_up(work, follow_up_id, actor=actor.name, note=note)


@needs(Right.DECIDE)
def put_back(desk: Desk, actor: Actor, *, reason: str, seen: Seen | None = None) -> None:
    """Point the alias at the live version again, after it was changed in MLflow.

    Raises:
        ReasonRequired, IllegalTransition, StaleDossier, RegistryUnavailable: see
            `core.usecases.alias_agreement.put_back`.
    """
    alias_agreement.put_back(desk.store, desk.registry, by=actor, reason=reason, seen=seen)


@needs(Right.DECIDE)
def roll_back(
    desk: Desk, actor: Actor, *, reason: str, to: int | None = None, seen: Seen | None = None
) -> Job:
    """Go back to version `to`, by default to the one that was live before.

    Raises:
        ReasonRequired, Missing, IllegalTransition, StaleDossier: see
            `core.usecases.decisions.roll_back`.
    """
    champion = desk.registry.champion()
    with desk.store.transaction(actor) as work:
        job = decisions.roll_back(
            work, actor=actor.name, champion=champion, reason=reason, to=to, seen=seen
        )
    return submit(desk, job)
