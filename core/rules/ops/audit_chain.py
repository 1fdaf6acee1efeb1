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
    """The first break of the chain, or None.

    `events` is the whole trail, oldest first; `head_id` and `head_hash` are those recorded with
    the last event.
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
