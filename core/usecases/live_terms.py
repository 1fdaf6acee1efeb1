"""Which version was live when, and to which one a rollback goes."""

from __future__ import annotations

from core.adapters.store import Work
from core.domain.promotions import Promotion, Term
from core.rules.model.live_terms import taken_back, terms_of


def terms(work: Work, limit: int = 1000) -> list[Term]:
    """The newest terms, the present one first."""
    return terms_of(work.audit.latest(limit, action="live", now=True))


def taken_away(work: Work) -> dict[int, Term]:
    """The versions that a rollback took away last, each with the term that it began."""
    return taken_back(terms(work))


def ways_back(work: Work) -> list[Promotion]:
    """The versions that a rollback can bring back: the one it goes to unasked first, if any."""
    default, choices = rollback_target(work), work.promotions.were_live()
    return sorted(choices, key=lambda p: default is None or p.version != default.version)


def rollback_target(work: Work) -> Promotion | None:
    """The version that went live last before the present one, whatever became of it since.

    Versions that a rollback has taken away are passed over: none goes back to them unasked.
    """
    passed_over = taken_away(work)
    return next((p for p in work.promotions.were_live() if p.version not in passed_over), None)
