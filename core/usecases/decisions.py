"""What an operator, or the setting `PROMOTION=auto`, decides: each as one unit of work.

A function here changes the state, asks for the job that carries the decision out, and puts it
on record, all in the transaction it is given; the caller commits and then submits the job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from core.adapters.store import Work
from core.domain.dataset import Dataset
from core.domain.errors import IllegalTransition, JobUnderWay, Missing, StaleDossier
from core.domain.jobs import Job, JobKind
from core.domain.promotions import Decision, ForceRequest, Promotion, Verdict
from core.platform import tracing
from core.rules.drift.thresholds import Key, check, in_force, of_dataset
from core.rules.model.promotion_states import (
    Seen,
    excused,
    never_live,
    require_current,
    require_decidable,
    require_reason,
    require_seen,
)
from core.usecases.live_terms import rollback_target


def approve(
    work: Work,
    version: int,
    *,
    actor: str,
    digest: str,
    champion: int | None = None,
    reason: str = "",
    seen: Seen | None = None,
) -> Job:
    """Approve a candidate on its dossier, and ask for its promotion.

    `digest` is that of the dossier which was decided on. What is live is read from the record
    here; `champion`, what the registry's alias named, is only what is put back should serving
    refuse while the record has nothing live.

    Raises:
        Missing: the version was never proposed.
        IllegalTransition: its state does not allow it, a gate is not passed, or another promotion
            is under way.
        StaleDossier: the evidence is not the one that was looked at, or no longer current, or
            another version went live.
        DecidedAlready: another person decided first.
    """
    promotion = work.promotions.of_version(version)
    require_decidable(promotion, Decision.APPROVE)
    live = live_as_seen(work, seen)
    require_current(promotion, digest, live)
    over = [gate.name for gate in excused(promotion, live)]
    if over:
        note = f"Nothing is live yet, so these comparisons may stay open: {', '.join(over)}."
        reason = f"{reason} {note}".strip()
    details = {"failed_gates": over} if over else {}
    return promote(work, promotion, live, Act(Decision.APPROVE, actor, reason, champion), details)


def live_as_seen(work: Work, seen: Seen | None) -> int | None:
    """The version that is live on record.

    Raises:
        StaleDossier: it is not the one that the person saw.
    """
    live = work.promotions.live_version()
    require_seen(seen, live)
    return live


class Act(NamedTuple):
    """A decision: who makes it and why, and what the registry's alias named then."""

    decision: Decision
    actor: str
    reason: str
    champion: int | None


def promote(
    work: Work, promotion: Promotion, live: int | None, act: Act, details: Mapping[str, Any]
) -> Job:
    """Decide that a version is to be served, and ask for the job that does it.

    `live` is what the decision was made on; `details` go on record with it.

    Raises:
        IllegalTransition, StaleDossier, DecidedAlready: as `approve`.
    """
    if tracing.is_on():
        tracing.note(version=promotion.version, actor=act.actor)
        tracing.link(_judged_in(work, promotion))
    before = act.champion if live is None else live
    work.promotions.decide(promotion, act.decision, actor=act.actor, reason=act.reason)
    args = {"promotion_id": promotion.id, "champion": before, "action": act.decision.value}
    job, is_new = work.jobs.request(JobKind.PROMOTE, args, act.actor)
    if not is_new:
        raise IllegalTransition("Another promotion is under way; wait until it has ended.")
    # From here on no other promotion can end before the commit: there is one such job at a time.
    if work.promotions.live_version() != live:
        raise StaleDossier("Another version went live at this moment. Look again, then decide.")
    request = work.force_requests.supersede_force(promotion.version, act.actor)
    about = {
        "job": job.id,
        "champion": before,
        "recommended": promotion.verdict.promote,
        "dossier": promotion.dossier_digest,
        **details,
        **_overtaken(request),
    }
    subject = f"version:{promotion.version}"
    work.audit.add(act.actor, act.decision.value, subject, reason=act.reason, details=about)
    return job


def _overtaken(request: ForceRequest | None) -> dict[str, Any]:
    """For the record: the force that waited for a second person and was overtaken."""
    return {"superseded_force_by": request.asked_by} if request else {}


def _judged_in(work: Work, promotion: Promotion) -> str:
    """The trace of the job whose evidence is decided on; empty where it is not known (any more)."""
    try:
        job = promotion.dossier.job if promotion.dossier else None
        return work.jobs.get(job or 0).trace
    except Missing:
        return ""


def reject(work: Work, version: int, *, actor: str, reason: str) -> Promotion:
    """Turn a candidate down.

    Raises:
        Missing, IllegalTransition, DecidedAlready: as `approve`.
        ReasonRequired: no reason was given.
    """
    reason = require_reason(reason, "a rejection")
    promotion = work.promotions.of_version(version)
    work.promotions.decide(promotion, Decision.REJECT, actor=actor, reason=reason)
    request = work.force_requests.supersede_force(version, actor)
    work.audit.add(
        actor, "reject", f"version:{version}", reason=reason, details=_overtaken(request)
    )
    return work.promotions.get(promotion.id)


def adopt(work: Work, version: int, *, actor: str, digest: str) -> None:
    """Bring a version that was registered elsewhere into the desk, so that it can be forced."""
    try:
        work.promotions.of_version(version)
    except Missing:
        verdict = Verdict(False, ("Registered outside the desk; it was never judged.",))
        work.promotions.propose(version, verdict, None, actor, file_digest=digest)


def roll_back(
    work: Work,
    *,
    actor: str,
    reason: str,
    champion: int | None = None,
    to: int | None = None,
    seen: Seen | None = None,
) -> Job:
    """Go back to a version that was live before: to `to`, or to the one that the terms name.

    It needs neither a current dossier nor a second person: it must work in an emergency.

    Raises:
        Missing: there is no version `to`.
        IllegalTransition: there is none to go back to, or another promotion is under way.
        StaleDossier: another version is live than the person was shown.
        ReasonRequired: no reason was given.
    """
    reason = require_reason(reason, "a rollback")
    live = live_as_seen(work, seen)
    before = rollback_target(work) if to is None else work.promotions.of_version(to)
    if before is None:
        raise IllegalTransition("There is no earlier version to go back to.")
    if before.live_at is None:
        raise IllegalTransition(never_live(before))
    return promote(work, before, live, Act(Decision.ROLLBACK, actor, reason, champion), {})


def set_limits(
    work: Work, dataset: Dataset, wanted: Mapping[Key, float | None], *, actor: str, reason: str
) -> None:
    """Set drift limits from now on, and put that on record; None gives one back to the file.

    Reports that are stored keep the limits by which they were judged.

    Raises:
        BadInput: see `core.rules.drift.thresholds.check`.
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
    work: Work,
    kind: JobKind,
    args: dict[str, Any],
    *,
    actor: str,
    reason: str = "",
    key: str = "",
    details: Mapping[str, Any] | None = None,
) -> tuple[Job, bool]:
    """Ask for a job and put that on record; says whether it is new, or was open and is joined.

    `details` go on record beside the arguments.

    Raises:
        JobUnderWay: a job of the same key is open with other arguments, so that what was asked
            for would not be done.
    """
    job, is_new = work.jobs.request(kind, args, actor, key=key)
    if not is_new and _given(job.args) != _given(args):
        raise JobUnderWay(
            f"Job {job.id} ({kind.value}) is open{_in_words(job.args)}. {_wanted(kind, args)} can "
            "be queued once it is over.",
            job.id,
        )
    about, details = f"job:{job.id}", args | dict(details or {})
    if is_new:
        work.audit.add(actor, f"request {kind.value}", about, reason=reason, details=details)
    else:
        work.audit.add(actor, f"join {kind.value}", about, reason=reason, details=details)
    return replace(job, joined=not is_new), is_new


def _given(args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that say what is done: not why, and none that is false or empty."""
    return {name: value for name, value in args.items() if value and name != "reason"}


def _in_words(args: Mapping[str, Any]) -> str:
    given = ", ".join(f"{name}={value}" for name, value in sorted(_given(args).items()))
    return f", with {given}" if given else ""


def _wanted(kind: JobKind, args: Mapping[str, Any]) -> str:
    if args.get("restart_epoch"):
        return "A restart"
    if kind is JobKind.INGEST and args.get("then_train"):
        return "A run of all steps"
    names = {
        JobKind.INGEST: "An ingest",
        JobKind.DRIFT: "A comparison",
        JobKind.TRAIN: "A training",
    }
    return names.get(kind, "The next one") + (" like this" if _given(args) else "")
