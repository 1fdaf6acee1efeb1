"""The chain over the audit trail: each event's hash covers the event and the hash before it.

Whoever changes, removes or inserts a row without redoing every hash after it is found out by
`first_break`. Someone who may write to the whole table could redo them: note the head's hash
elsewhere from time to time, and compare. The construction is the linked time-stamping of Haber
and Stornetta, "How to Time-Stamp a Digital Document", 1991.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC

from core.records import AuditEvent

GENESIS = "0" * 64
"""What stands in the place of the hash before the first event."""


@dataclass(frozen=True, slots=True)
class Break:
    """The first event at which the chain does not hold, and what is wrong there."""

    event_id: int
    says: str


def link(before: str, event: AuditEvent) -> str:
    """The hash of an event that follows the one whose hash is `before`; SHA-256 in hex."""
    content = json.dumps(
        [
            before,
            event.id,
            event.at.astimezone(UTC).isoformat(timespec="microseconds"),
            event.actor,
            event.action,
            event.subject,
            event.reason,
            event.details,
        ],
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return hashlib.sha256(content.encode()).hexdigest()


def first_break(events: Iterable[AuditEvent], head_id: int, head_hash: str) -> Break | None:
    """Where the chain is broken, if it is.

    `events` is the whole trail, oldest first; `head_id` and `head_hash` are what was noted beside
    it when the last event was added.
    """
    before, expected = GENESIS, 1
    for event in events:
        if event.id != expected:
            return Break(expected, f"Event {expected} is gone; the next one is {event.id}.")
        if link(before, event) != event.hash:
            return Break(event.id, f"Event {event.id} is not what was written; it was altered.")
        before, expected = event.hash, expected + 1
    if (expected - 1, before) != (head_id, head_hash):
        return Break(expected, f"Events from {expected} on are gone; {head_id} were written.")
    return None
