"""A hash chain over the audit trail: each event's hash covers the event and the previous hash.

`first_break` detects changed, removed and inserted rows unless every later hash was recomputed.
Someone with write access to the whole table could do that: store the head's hash elsewhere from
time to time, and compare. The construction is the linked time-stamping of Haber
and Stornetta, "How to Time-Stamp a Digital Document", 1991.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from core.domain.audit_event import AuditEvent

GENESIS = "0" * 64
"""The previous hash of the first event."""


@dataclass(frozen=True, slots=True)
class Break:
    """The first event at which the chain is broken, and the reason."""

    event_id: int
    says: str


def link(before: str, event: AuditEvent) -> str:
    """The hash of an event whose predecessor has the hash `before`; SHA-256 in hex."""
    return _hash([*_content(before, event), event.dataset])


def _link_of_one(before: str, event: AuditEvent) -> str:
    """The hash of an event from before a desk could have several datasets."""
    return _hash(_content(before, event))


def _content(before: str, event: AuditEvent) -> list[Any]:
    return [
        before,
        event.id,
        event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        event.actor,
        event.action,
        event.subject,
        event.reason,
        event.details,
    ]


def _hash(values: list[Any]) -> str:
    content = json.dumps(
        values,
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return hashlib.sha256(content.encode()).hexdigest()


def first_break(events: Iterable[AuditEvent], head_id: int, head_hash: str) -> Break | None:
    """The first break of the chain, or None.

    `events` is the whole trail, oldest first; `head_id` and `head_hash` are those recorded with
    the last event. Events from before a desk could have several datasets come first: their hashes
    do not cover the dataset, and after one that does, none may be without it.
    """
    before, expected = GENESIS, 1
    links = [link, _link_of_one]
    for event in events:
        if event.id != expected:
            return Break(expected, f"Event {expected} is gone; the next one is {event.id}.")
        if event.hash == link(before, event):
            links = [link]
        elif event.hash not in [of(before, event) for of in links]:
            return Break(event.id, f"Event {event.id} is not what was written; it was altered.")
        before, expected = event.hash, expected + 1
    if (expected - 1, before) != (head_id, head_hash):
        return Break(expected, f"Events from {expected} on are gone; {head_id} were written.")
    return None
