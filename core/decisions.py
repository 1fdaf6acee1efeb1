"""What an operator, or the setting `PROMOTION=auto`, decides: each as one unit of work.

A function here changes the state, asks for the job that carries the decision out, and puts it
on record, all in the transaction it is given; the caller commits and then submits the job.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core import trace
from core.dataset import Dataset
from core.errors import IllegalTransition, Missing, SecondPersonRequired
from core.limits import Key, check, in_force, of_dataset
from core.promotion import require_current, require_reason, require_transition
from core.records import (
    FollowUp,
    ForceRequest,
    Job,
    JobKind,
    Promotion,
    PromotionState,
    Verdict,
)
from core.store import Work


def approve(
    work: Work, version: int, *, actor: str, champion: int | None, digest: str, reason: str = ""
) -> Job:
    """Approve a candidate on its dossier, and ask for its promotion.

    `champion` is the version that the alias names now, to be put back should serving refuse;
    `digest` is that of the dossier which was decided on.

    Raises:
        Missing: the version was never proposed.
        IllegalTransition: its state or its evidence does not allow it, or another promotion is
            under way.
        StaleDossier: the evidence is not the one that was looked at, or no longer current.
        DecidedAlready: somebody decided first.
    """
    promotion = work.promotions.of_version(version)
    require_transition(promotion.state, PromotionState.APPROVED, forced=False)
    require_current(promotion, digest, champion)
    return _promote(work, promotion, actor=actor, champion=champion, reason=reason)


def _promote(
    work: Work,
    promotion: Promotion,
    *,
    actor: str,
    champion: int | None,
    reason: str,
    action: str = "approve",
    details: dict[str, Any] | None = None,
) -> Job:
    if trace.is_on():
        trace.note(version=promotion.version, actor=actor)
        trace.link(_judged_in(work, promotion))
    work.promotions.decide(
        promotion,
        PromotionState.APPROVED,
        actor=actor,
        reason=reason,
        forced=action != "approve",
    )
    job, is_new = work.jobs.request(
        JobKind.PROMOTE,
        {"promotion_id": promotion.id, "champion": champion, "action": action},
        actor,
    )
    if not is_new:
        raise IllegalTransition("Another promotion is under way; wait until it has ended.")
    work.audit.add(
        actor,
        action,
        f"version:{promotion.version}",
        reason=reason,
        details={
            "job": job.id,
            "champion": champion,
            "recommended": promotion.verdict.promote,
            "dossier": promotion.dossier_digest,
        }
        | (details or {}),
    )
    return job


def _judged_in(work: Work, promotion: Promotion) -> str:
    """The trace of the job whose evidence is decided on; empty where it is not known (any more)."""
    try:
        return work.jobs.get(int(promotion.dossier.get("job") or 0)).trace
    except Missing:
        return ""


def force(
    work: Work, version: int, *, actor: str, champion: int | None, reason: str, reviewers: int = 1
) -> Job | ForceRequest:
    """Promote a version whatever was recommended; with two reviewers, only ask for it.

    It names each gate that it passes over, and opens a follow-up.

    Raises:
        ReasonRequired: no reason was given.
        Missing, IllegalTransition, DecidedAlready: as `approve`.
    """
    reason = require_reason(reason, "forcing a promotion")
    promotion = work.promotions.of_version(version)
    require_transition(promotion.state, PromotionState.APPROVED, forced=True)
    if reviewers > 1:
        request = work.oversight.ask_force(version, reason, actor)
        work.audit.add(
            actor,
            "ask to force",
            f"version:{version}",
            reason=reason,
            details={"failed_gates": [gate.name for gate in promotion.failed_gates]},
        )
        return request
    return _force(work, promotion, actor=actor, champion=champion, reason=reason)


def confirm_force(work: Work, version: int, *, actor: str, champion: int | None) -> Job:
    """Confirm, as a second person, a force that somebody else asked for.

    Raises:
        Missing: nobody has asked for it.
        SecondPersonRequired: the same person asked for it.
        IllegalTransition, DecidedAlready: as `approve`.
    """
    request = _open_force(work, version)
    if request.asked_by == actor:
        raise SecondPersonRequired(
            f"{actor} asked to force version {version}, so somebody else must confirm it."
        )
    work.oversight.close_force(request, "confirmed", actor)
    return _force(
        work,
        work.promotions.of_version(version),
        actor=request.asked_by,
        champion=champion,
        reason=request.reason,
        confirmed_by=actor,
    )


def withdraw_force(work: Work, version: int, *, actor: str, reason: str = "") -> None:
    """Take back, or turn down, a force that waits for a second person.

    Raises:
        Missing: nobody has asked for it.
        DecidedAlready: it was closed meanwhile.
    """
    request = _open_force(work, version)
    work.oversight.close_force(request, "withdrawn", actor)
    work.audit.add(actor, "withdraw force", f"version:{version}", reason=reason)


def _open_force(work: Work, version: int) -> ForceRequest:
    request = work.oversight.open_force(version)
    if request is None:
        raise Missing(f"Nobody waits for a second person to force version {version}.")
    return request


def _force(
    work: Work,
    promotion: Promotion,
    *,
    actor: str,
    champion: int | None,
    reason: str,
    confirmed_by: str = "",
) -> Job:
    failed = promotion.failed_gates
    names = [gate.name for gate in failed]
    details: dict[str, Any] = {"failed_gates": names}
    if confirmed_by:
        details["confirmed_by"] = confirmed_by
    job = _promote(
        work,
        promotion,
        actor=actor,
        champion=champion,
        reason=reason,
        action="force",
        details=details,
    )
    against = f" against {', '.join(names)}" if names else ""
    work.oversight.open_follow_up(
        f"version:{promotion.version}",
        f"Version {promotion.version} was forced{against}. Look at how it does, and say what "
        "you found.",
        actor,
    )
    return job


def close_follow_up(work: Work, follow_up_id: int, *, actor: str, note: str) -> FollowUp:
    """Close a follow-up with what was found.

    Raises:
        ReasonRequired: nothing was said.
        Missing, DecidedAlready: there is none, or it is closed.
    """
    note = require_reason(note, "closing a follow-up")
    found = work.oversight.close_follow_up(follow_up_id, note, actor)
    work.audit.add(actor, "close follow-up", found.subject, reason=note)
    return found


def reject(work: Work, version: int, *, actor: str, reason: str) -> Promotion:
    """Turn a candidate down.

    Raises:
        Missing, IllegalTransition, DecidedAlready: as `approve`.
        ReasonRequired: no reason was given.
    """
    reason = require_reason(reason, "a rejection")
    promotion = work.promotions.of_version(version)
    work.promotions.decide(promotion, PromotionState.REJECTED, actor=actor, reason=reason)
    work.audit.add(actor, "reject", f"version:{version}", reason=reason)
    return work.promotions.get(promotion.id)


def adopt(work: Work, version: int, *, actor: str, digest: str) -> None:
    """Bring a version that was registered elsewhere into the desk, so that it can be forced."""
    try:
        work.promotions.of_version(version)
    except Missing:
        verdict = Verdict(False, ("Registered outside the desk; it was never judged.",))
        work.promotions.propose(version, verdict, {"digest": digest}, actor)


def roll_back(work: Work, *, actor: str, champion: int | None, reason: str) -> Job:
    """Go back to the version that was live before the present one.

    It needs neither a current dossier nor a second person: it must work in an emergency.

    Raises:
        IllegalTransition: there is none.
        ReasonRequired: no reason was given.
    """
    reason = require_reason(reason, "a rollback")
    before = work.promotions.before_live()
    if before is None:
        raise IllegalTransition("There is no earlier version to go back to.")
    return _promote(work, before, actor=actor, champion=champion, reason=reason, action="rollback")


def set_limits(
    work: Work, dataset: Dataset, wanted: Mapping[Key, float | None], *, actor: str, reason: str
) -> None:
    """Set drift limits from now on, and put that on record; None gives one back to the file.

    Reports that are stored keep the limits by which they were judged.

    Raises:
        BadInput: see `core.limits.check`.
        ReasonRequired: no reason was given.
    """
    reason = require_reason(reason, "a change of limits")
    check(dataset, wanted)
    now = of_dataset(in_force(dataset, work.limits.in_force()))
    files = of_dataset(dataset)
    work.limits.set(wanted, actor=actor, reason=reason)
    work.audit.add(
        actor,
        "set limits",
        "limits",
        reason=reason,
        details={
            f"{column}_{statistic}": {
                "from": now[column, statistic],
                "to": files[column, statistic] if value is None else value,
                "reset": value is None,
            }
            for (column, statistic), value in wanted.items()
        },
    )


def request(
    work: Work, kind: JobKind, args: dict[str, Any], *, actor: str, reason: str = "", key: str = ""
) -> tuple[Job, bool]:
    """Ask for a job and put that on record; says whether it is new or was under way already."""
    job, is_new = work.jobs.request(kind, args, actor, key=key)
    if is_new:
        work.audit.add(actor, f"request {kind.value}", f"job:{job.id}", reason=reason, details=args)
    return job, is_new
