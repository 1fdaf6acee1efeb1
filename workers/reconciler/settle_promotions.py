"""Settling promotions whose job is over: FAILED on record, and the alias back on what is live."""

from __future__ import annotations

import structlog

from core.adapters.store import Work
from core.domain.audit_event import ITSELF
from core.domain.errors import DecidedAlready, DriftdeskError, Missing
from core.domain.jobs import JobKind
from core.domain.promotions import Promotion, PromotionState
from core.rules.model.promotion_states import named
from workers.runtime.services import Services

_LOOKED_BACK = 200
"""How many promote jobs are looked at to find the one that a promotion had."""

log = structlog.get_logger()


def settle_promotions(services: Services) -> None:
    """Fail approved promotions that have no open job.

    Each is settled apart; one that cannot be settled yet is tried again at the next turn.

    Raises:
        StoreUnavailable: the database is away.
    """
    with services.store.read() as work:
        left = work.promotions.latest(state=PromotionState.APPROVED)
    for promotion in left:
        try:
            _settle(services, promotion)
        except DriftdeskError as error:
            log.warning(
                "cannot settle a promotion yet", version=promotion.version, reason=str(error)
            )


def _settle(services: Services, promotion: Promotion) -> None:
    with services.store.read() as work:
        if not _is_left(work, promotion):
            return
        before = _before(work, promotion)
    failure = _restore(services, promotion, before)
    with services.store.begin() as work:
        if not _is_left(work, promotion):
            return
        try:
            work.promotions.fail(promotion, failure)
        except DecidedAlready:
            return
        work.audit.add(ITSELF, "promotion failed", f"version:{promotion.version}", reason=failure)
        work.commit()


def _is_left(work: Work, promotion: Promotion) -> bool:
    """Whether it is still approved, and no job carries it out."""
    busy = {j.args.get("promotion_id") for j in work.jobs.open() if j.kind is JobKind.PROMOTE}
    now = work.promotions.get(promotion.id)
    return now.state is PromotionState.APPROVED and promotion.id not in busy


def _before(work: Work, promotion: Promotion) -> int | None:
    """What the alias should name: what is live, or what it named before where nothing is."""
    live = work.promotions.live()
    if live:
        return live.version
    jobs = work.jobs.recent(_LOOKED_BACK, JobKind.PROMOTE)
    args = next((j.args for j in jobs if j.args.get("promotion_id") == promotion.id), {})
    found = args.get("champion")
    return int(found) if found is not None else None


def _restore(services: Services, promotion: Promotion, before: int | None) -> str:
    """Put the alias back where it names the version; returns the sentence for the record."""
    ended = "The promote job ended without saying how"
    if services.registry.champion() == promotion.version != before:
        try:
            services.registry.set_champion(before)
        except Missing as error:
            return f"{ended}; the alias could not be put back to {named(before)}: {error}"
        services.push()
    return f"{ended}; the alias names what is live."
