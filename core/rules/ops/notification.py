"""Notifications: their texts, retries and signature. Pure.

The signature follows Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 over
`id.timestamp.body`, so a receiver can verify it with any library of that standard.
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
from urllib.parse import urlencode

from core.domain.batches import Batch
from core.domain.errors import BadInput
from core.domain.jobs import Job
from core.domain.promotions import Decision, Promotion
from core.domain.safe_text import printable_lines
from core.rules.model.promotion_states import decision_in_words
from core.rules.model.verdict_validity import Recommendation

MAX_ATTEMPTS = 8
"""Attempts before a notification is given up; with the pauses between them, about two hours."""

LONGEST_TEXT = 2_000

_FIRST_PAUSE = timedelta(seconds=10)
_LONGEST_PAUSE = timedelta(hours=1)
_GROWTH = 3
_SECRET_PREFIX = "whsec_"  # noqa: S105 - the standard's prefix of a base64 secret


class Event(StrEnum):
    """The events that can be notified of."""

    BREACH = "breach"
    CANDIDATE = "candidate"
    PROMOTED = "promoted"
    FAILED = "failed"
    CLOSED = "closed"
    HELD = "held"
    EPOCH = "epoch"
    TEST = "test"


CHOOSABLE = tuple(event for event in Event if event is not Event.TEST)
"""The events that `WEBHOOK_EVENTS` may name; TEST is always sent."""


class Delivery(StrEnum):
    """Where a notice stands. SKIPPED: its event was not in WEBHOOK_EVENTS when it was due."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    GIVEN_UP = "GIVEN_UP"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification and the state of its delivery.

    `uid` is the same for every attempt, so that a receiver can drop duplicates. `failure` is why
    the last attempt failed, or why there was none.
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
    """The pause after so many attempts: 10 s, tripled each time, at most 1 h."""
    growth: int = _GROWTH ** min(max(attempts - 1, 0), 10)
    return min(_FIRST_PAUSE * growth, _LONGEST_PAUSE)


def waiting(version: int, recommendation: Recommendation) -> str:
    """The text about a candidate."""
    return f"Version {version} awaits approval ({recommendation.standing}): {recommendation.says}"


def promoted(promotion: Promotion) -> str:
    """The text about a version that went live."""
    again = " again" if promotion.decided_as is Decision.ROLLBACK else ""
    return f"Version {promotion.version} is live{again} ({decision_in_words(promotion)})."


def failed(job: Job, error: str) -> str:
    """The text about a failed job."""
    return f"{job.kind.value.capitalize()} {job.id} failed: {error}"


def closed(batch: Batch, note: str) -> str:
    """The text about a batch that could not be stored."""
    number = "A batch" if batch.number is None else f"Batch {batch.number}"
    return f"{number} of epoch {batch.epoch} (entry {batch.id} of the ledger). {note}"


def place(subject: str, event: Event | None = None) -> tuple[str, dict[str, str]]:
    """The console's page about a subject, and the parameters of its address.

    `event` is that of a notification, if it is about one. A batch is `batch:EPOCH/NUMBER`, or
    `batch:ID` in older notifications.
    """
    kind, _, number = subject.partition(":")
    pages = {
        "batch": ("drift", {"batch": number}),
        "version": ("promotion", {"version": number}),
        "job": ("pipeline", {"job": number}),
        "epoch": ("pipeline", {"view": "Batches", "epoch": number}),
        "schedule": ("pipeline", {"view": "Schedule"}),
        "window": ("drift", {"show": "Live traffic", "window": number}),
    }
    if event is Event.TEST:
        return "services", {}
    if event is Event.CLOSED:  # it has no comparison
        return "pipeline", {"view": "Batches"}
    return pages.get(kind, ("overview", {}))


def link_to(event: Event, subject: str, console: str, dataset: str = "") -> str:
    """The console page about a notification's subject; empty without a console address.

    `dataset` is its dataset on a desk with several.
    """
    if not console:
        return ""
    page, parameters = place(subject, event)
    told = ({"dataset": dataset} if dataset else {}) | parameters
    if not told:
        page = "" if page == "overview" else page
        return f"{console.rstrip('/')}/{page}"
    return f"{console.rstrip('/')}/{page}?{urlencode(told, safe='/')}"


def body(notice: Notice, console: str, dataset: str = "") -> dict[str, Any]:
    """The JSON body: `text` for Slack and similar receivers, `driftdesk` for programs.

    `dataset` is the notice's dataset on a desk with several.
    """
    link = link_to(notice.event, notice.subject, console, dataset)
    text = printable_lines(notice.text[:LONGEST_TEXT])
    for mark, inert in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):  # Slack's escapes
        text = text.replace(mark, inert)
    return {
        "text": f"{text}\n<{link}|Open in driftdesk>" if link else text,
        "driftdesk": {
            "id": notice.uid,
            "event": notice.event.value,
            **({"dataset": dataset} if dataset else {}),
            "subject": notice.subject,
            "text": notice.text,
            "link": link,
            "at": notice.created_at.isoformat(),
        },
    }


def key_of(secret: str) -> bytes:
    """The key of a secret: base64 after `whsec_`, else the text itself.

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
