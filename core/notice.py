"""Notices: what is told to the outside, when it is tried again, and how it is signed. Pure.

The signature follows Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 over
`id.timestamp.body`, so that a receiver may check it with any of that standard's libraries.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from core.errors import BadInput
from core.printable import printable_lines
from core.records import Batch, DriftReport, Finding, Job, Promotion, Verdict

MAX_ATTEMPTS = 8
"""Tries before a notice is given up; with the pauses between them, some two hours."""

LONGEST_TEXT = 2_000

_FIRST_PAUSE = timedelta(seconds=10)
_LONGEST_PAUSE = timedelta(hours=1)
_GROWTH = 3
_SECRET_PREFIX = "whsec_"  # noqa: S105 - how that standard marks a secret in base64


class Event(StrEnum):
    """What may be told of."""

    BREACH = "breach"
    CANDIDATE = "candidate"
    PROMOTED = "promoted"
    FAILED = "failed"
    TEST = "test"


CHOOSABLE = tuple(event for event in Event if event is not Event.TEST)
"""What `WEBHOOK_EVENTS` may name: a test is always sent."""


class Delivery(StrEnum):
    """Where a notice stands. SKIPPED: nobody wanted to hear of it when its turn came."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    GIVEN_UP = "GIVEN_UP"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell, and how far that has come.

    `uid` stays the same however often it is sent, so that a receiver can drop repeats.
    `failure` is why the last try failed, or why there was none.
    """

    id: int
    uid: str
    event: Event
    subject: str
    text: str
    created_at: datetime
    state: Delivery
    attempts: int
    next_at: datetime
    delivered_at: datetime | None = None
    failure: str = ""


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many tries: 10 s, and three times as long each time, to 1 h."""
    growth: int = _GROWTH ** min(max(attempts - 1, 0), 10)
    return min(_FIRST_PAUSE * growth, _LONGEST_PAUSE)


def breach(batch: Batch, *reports: DriftReport | None) -> str:
    """What to tell of a batch's comparisons; empty when no limit was broken.

    The first batch of all asks for training too, but breaks nothing.
    """
    broken = [r for r in reports if r and any(c.finding is Finding.BREACH for c in r.changes)]
    if not broken:
        return ""
    return f"Batch {batch.number} of epoch {batch.epoch} has drifted: {broken[0].reasons[0]}"


def waiting(version: int, verdict: Verdict) -> str:
    """What to tell of a candidate."""
    advice = "recommended" if verdict.promote else "not recommended"
    return f"Version {version} waits for a decision ({advice}): {verdict.reasons[0]}"


def promoted(promotion: Promotion) -> str:
    """What to tell of a version that has come to be served."""
    forced = ", forced" if promotion.forced else ""
    return f"Version {promotion.version} is live (decided by {promotion.decided_by}{forced})."


def failed(job: Job, error: str) -> str:
    """What to tell of a job that failed."""
    return f"{job.kind.value.capitalize()} {job.id} failed: {error}"


def link_to(event: Event, subject: str, console: str) -> str:
    """The page of the console that a notice is about; empty without an address."""
    if not console:
        return ""
    kind, _, number = subject.partition(":")
    pages = {
        "batch": f"drift?batch={number}",
        "version": f"promotion?version={number}",
        "job": f"pipeline?job={number}",
        "window": f"drift?show=Live+traffic&window={number}",
    }
    page = "services" if event is Event.TEST else pages.get(kind, "")
    return f"{console.rstrip('/')}/{page}"


def body(notice: Notice, console: str) -> dict[str, Any]:
    """What is posted: `text` for Slack and its like, `driftdesk` for programs."""
    link = link_to(notice.event, notice.subject, console)
    text = printable_lines(notice.text[:LONGEST_TEXT])
    for mark, inert in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):  # Slack's own escapes
        text = text.replace(mark, inert)
    return {
        "text": f"{text}\n<{link}|Open in driftdesk>" if link else text,
        "driftdesk": {
            "id": notice.uid,
            "event": notice.event.value,
            "subject": notice.subject,
            "text": notice.text,
            "link": link,
            "at": notice.created_at.isoformat(),
        },
    }


def key_of(secret: str) -> bytes:
    """The key that a secret stands for: base64 after `whsec_`, else the text itself.

    Raises:
        BadInput: what follows `whsec_` is not base64.
    """
    if not secret.startswith(_SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput(f"What follows {_SECRET_PREFIX} must be base64") from error


def signature(secret: str, uid: str, timestamp: int, content: bytes) -> str:
    """The value of the header `webhook-signature`."""
    signed = f"{uid}.{timestamp}.".encode() + content
    mac = hmac.new(key_of(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode()
