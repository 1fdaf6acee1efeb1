"""What happened on a desk while a person was away."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from console.desk import Desk
from console.text import audit_sentences
from core.domain.audit_event import AuditEvent
from core.rules.ops.notification import Event, Notice, place

LONGEST, SHORTEST = timedelta(days=7), timedelta(minutes=15)
"""The furthest that an absence goes back, and the time without an act that is not yet one."""

_MOST = 30
_ONLY_NOTIFIED = (Event.BREACH, Event.CANDIDATE, Event.FAILED, Event.CLOSED)
"""The notifications of what no audit event tells."""

_QUEUED = ("request", "join")
"""Actions that start a job: what came of it is told instead."""


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing that happened, and the page about it."""

    at: datetime
    text: str
    page: str
    query: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Absence:
    """What happened since a time, newest first; `is_whole` is False if there was more."""

    since: datetime
    items: tuple[Happened, ...]
    is_whole: bool


def last_act(desk: Desk, actor: str) -> datetime:
    """When this person last did something that is on record; `LONGEST` ago if that is earlier."""
    with desk.store.read() as work:
        newest = work.audit.latest(1, actor=actor, since=work.now - LONGEST)
        return newest[0].at if newest else work.now - LONGEST


def since(desk: Desk, actor: str, moment: datetime, opened: datetime) -> Absence:
    """What others and the system did after a moment, and what was notified of.

    Nothing if the tab was `opened` within `SHORTEST` of that moment. Once the person has acted
    after that, they are back, and what comes later is not told.
    """
    if opened - moment < SHORTEST:
        return Absence(moment, (), is_whole=True)
    with desk.store.read() as work:
        is_back = bool(work.audit.latest(1, actor=actor, since=opened))
        events = work.audit.latest(_MOST, other_than=actor, since=moment)
        notices = [n for n in work.notifications.latest(_MOST) if n.created_at > moment]
    items = [_told(e) for e in events if _is_told(e) and e.at > moment]
    items += [_noticed(n) for n in notices if n.event in _ONLY_NOTIFIED]
    if is_back:
        items = [item for item in items if item.at <= opened]
    items.sort(key=lambda item: item.at, reverse=True)
    is_whole = max(len(events), len(notices)) < _MOST
    return Absence(moment, tuple(items[:_MOST]), is_whole=is_whole and len(items) <= _MOST)


def _is_told(event: AuditEvent) -> bool:
    return event.action.partition(" ")[0] not in _QUEUED


def _told(event: AuditEvent) -> Happened:
    page, query = place(event.subject)
    reason = f" {event.reason}" if event.reason else ""
    return Happened(event.at, f"{audit_sentences.sentence(event)}{reason}", page, query)


def _noticed(notice: Notice) -> Happened:
    page, query = place(notice.subject, notice.event)
    return Happened(notice.created_at, notice.text, page, query)
