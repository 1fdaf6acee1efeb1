"""Passing over gates: a force, the second person who confirms it, and the look back at it.

As in `core.usecases.decisions`, each function is one unit of work in the transaction that it is
given.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from core.adapters.store import Work
from core.domain.errors import Missing, SecondPersonRequired, StaleDossier
from core.domain.jobs import Job
from core.domain.promotions import Cause, Decision, FollowUp, ForceRequest, Promotion
from core.rules.model.promotion_states import (
    Seen,
    is_second_person,
    require_decidable,
    require_reason,
    require_same_dossier,
)
from core.usecases.decisions import Act, live_as_seen, promote


def force(
    work: Work,
    version: int,
    *,
    actor: str,
    reason: str,
    champion: int | None = None,
    reviewers: int = 1,
    digest: str | None = None,
    seen: Seen | None = None,
) -> Job | ForceRequest:
    """Promote a version whatever was recommended; with two reviewers, only ask for it.

    It names each gate that it passes over, and opens a follow-up. `digest` is that of the dossier
    which was looked at, empty where there was none; None: the person did not look.

    Raises:
        ReasonRequired: no reason was given.
        Missing, IllegalTransition, StaleDossier, DecidedAlready: as `approve`.
    """
    reason = require_reason(reason, "forcing a promotion")
    promotion = work.promotions.of_version(version)
    require_decidable(promotion, Decision.FORCE)
    if digest is not None:
        require_same_dossier(promotion, digest)
    live = live_as_seen(work, seen)
    if reviewers > 1:
        request = work.force_requests.ask_force(version, reason, actor, promotion.dossier_digest)
        names = [gate.name for gate in promotion.failed_gates]
        about = {"failed_gates": names, "dossier": promotion.dossier_digest}
        work.audit.add(actor, "ask to force", f"version:{version}", reason=reason, details=about)
        return request
    return _force(work, promotion, live, Act(Decision.FORCE, actor, reason, champion))


def confirm_force(
    work: Work,
    version: int,
    *,
    actor: str,
    champion: int | None = None,
    digest: str | None = None,
    seen: Seen | None = None,
) -> Job:
    """Confirm, as a second person, a force that another person requested.

    `digest` is as in `force`.

    Raises:
        Missing: there is no open request.
        SecondPersonRequired: the same person asked for it.
        IllegalTransition, StaleDossier, DecidedAlready: as `approve`.
    """
    request = _open_force(work, version)
    if not is_second_person(request, actor):
        raise SecondPersonRequired(
            f"{actor} asked to force version {version}, so another person must confirm it."
        )
    promotion = work.promotions.of_version(version)
    require_decidable(promotion, Decision.FORCE)
    if request.dossier_digest != promotion.dossier_digest:
        raise StaleDossier(
            f"Version {version} was re-evaluated since {request.asked_by} asked to force it. "
            "Withdraw the request, look at the dossier, and ask again."
        )
    if digest is not None:
        require_same_dossier(promotion, digest)
    live = live_as_seen(work, seen)
    work.force_requests.close_force(request, "confirmed", actor)
    act = Act(Decision.FORCE, request.asked_by, request.reason, champion)
    return _force(work, promotion, live, act, {"confirmed_by": actor})


def withdraw_force(work: Work, version: int, *, actor: str, reason: str = "") -> ForceRequest:
    """Take back, or turn down, a force that waits for a second person.

    Raises:
        Missing: there is no open request.
        DecidedAlready: it was closed meanwhile.
    """
    request = _open_force(work, version)
    closed = work.force_requests.close_force(request, "withdrawn", actor)
    work.audit.add(actor, "withdraw force", f"version:{version}", reason=reason)
    return closed


def _open_force(work: Work, version: int) -> ForceRequest:
    request = work.force_requests.open_force(version)
    if request is None:
        raise Missing(f"Nobody waits for a second person to force version {version}.")
    return request


def _force(
    work: Work,
    promotion: Promotion,
    live: int | None,
    act: Act,
    details: Mapping[str, Any] = MappingProxyType({}),
) -> Job:
    names = [gate.name for gate in promotion.failed_gates]
    job = promote(work, promotion, live, act, {"failed_gates": names, **details})
    gates = f" Gates not passed: {', '.join(names)}." if names else ""
    work.force_requests.open_follow_up(
        f"version:{promotion.version}",
        f"Version {promotion.version} was forced.{gates} Check how it performs, and record the "
        "outcome.",
        act.actor,
        Cause.FORCED,
    )
    return job


def close_follow_up(work: Work, follow_up_id: int, *, actor: str, note: str) -> FollowUp:
    """Close a follow-up with its outcome.

    Raises:
        ReasonRequired: nothing was said.
        Missing, DecidedAlready: there is none, or it is closed.
    """
    note = require_reason(note, "closing a follow-up")
    closed = work.force_requests.close_follow_up(follow_up_id, note, actor)
    work.audit.add(actor, "close follow-up", closed.subject, reason=note)
    return closed
