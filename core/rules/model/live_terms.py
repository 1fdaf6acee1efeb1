"""The terms during which versions were live, and those that a rollback ended. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from core.domain.audit_event import AuditEvent
from core.domain.promotions import Decision, Term


def terms_of(events: Sequence[AuditEvent]) -> list[Term]:
    """The terms that these `live` events began, both newest first."""
    ends = [None, *(event.at for event in events)]
    return [
        Term(
            int(event.subject.partition(":")[2]),
            event.at,
            until,
            event.actor,
            str(event.details.get("action", "approve")),
            event.reason,
        )
        for event, until in zip(events, ends, strict=False)
    ]


def taken_back(terms: Sequence[Term]) -> dict[int, Term]:
    """The versions whose newest term was ended by a rollback, with the term that this began.

    `terms` come newest first.
    """
    ended_by: dict[int, Term | None] = {}
    next_term: Term | None = None
    for term in terms:
        ended_by.setdefault(term.version, next_term)
        next_term = term
    return {v: by for v, by in ended_by.items() if by and by.action == Decision.ROLLBACK}
