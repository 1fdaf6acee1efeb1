"""What an operator, or the setting `PROMOTION=auto`, decides: each as one unit of work.

A function here changes the state, asks for the job that carries the decision out, and puts it
on record, all in the transaction it is given; the caller commits and then submits the job.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.dataset import Dataset
from core.errors import IllegalTransition, Missing
from core.limits import Key, check, in_force, of_dataset
from core.promotion import require_reason
from core.records import Job, JobKind, Promotion, PromotionState, Verdict
from core.store import Work


def approve(
    work: Work,
    version: int,
    *,
    actor: str,
    champion: int | None,
    reason: str = "",
    forced: bool = False,
    action: str = "approve",
) -> Job:
    """Approve a version and ask for its promotion.

    `champion` is the version that the alias names now, to be put back should serving refuse.

    Raises:
        Missing: the version was never proposed.
        IllegalTransition: its state does not allow it, or another promotion is under way.
        DecidedAlready: somebody decided first.
        ReasonRequired: force needs a reason.
    """
    if forced:
        reason = require_reason(reason, "forcing a promotion")
    promotion = work.promotions.of_version(version)
    work.promotions.decide(
        promotion, PromotionState.APPROVED, actor=actor, reason=reason, forced=forced
    )
    job, is_new = work.jobs.request(
        JobKind.PROMOTE, {"promotion_id": promotion.id, "champion": champion}, actor
    )
    if not is_new:
        raise IllegalTransition("Another promotion is under way; wait until it has ended.")
    work.audit.add(
        actor,
        action,
        f"version:{version}",
        reason=reason,
        details={"job": job.id, "champion": champion, "recommended": promotion.verdict.promote},
    )
    return job


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

    Raises:
        IllegalTransition: there is none.
        ReasonRequired: no reason was given.
    """
    reason = require_reason(reason, "a rollback")
    before = work.promotions.before_live()
    if before is None:
        raise IllegalTransition("There is no earlier version to go back to.")
    return approve(
        work,
        before.version,
        actor=actor,
        champion=champion,
        reason=reason,
        forced=True,
        action="rollback",
    )


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
