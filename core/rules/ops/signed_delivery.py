"""Whether a delivery of another program is genuine: signed like our own notifications. Pure."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping

from core.domain.errors import BadInput, NotGenuine
from core.rules.ops.notification import key_of, signature

WINDOW_SECONDS = 300
"""How far the time of a signature may be from ours."""

SHORTEST_KEY = 24
"""The fewest bytes of a key, as in Standard Webhooks."""

_UID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_TIME = re.compile(r"[0-9]{1,12}")
_MOST_SIGNATURES = 5


def check_strong(secret: str) -> None:
    """Check that a key is too long to be guessed.

    Raises:
        BadInput: it has fewer than `SHORTEST_KEY` bytes, or is no key.
    """
    if len(key_of(secret)) < SHORTEST_KEY:
        raise BadInput(
            f"has fewer than {SHORTEST_KEY} bytes; make one with `openssl rand -base64 32`"
        )


def require_genuine(secret: str, headers: Mapping[str, str], content: bytes, now: int) -> str:
    """The id of a delivery that was signed with the secret at most `WINDOW_SECONDS` ago.

    `headers` are those of Standard Webhooks; the signature header may have several signatures.
    `now` is in seconds since 1970.

    Raises:
        NotGenuine: it was not, or a header is missing or malformed.
    """
    uid, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    # Without a point in the id, what was signed can be divided in one way only.
    if not _UID.fullmatch(uid) or not _TIME.fullmatch(sent):
        raise NotGenuine(
            "The header webhook-id must have up to 200 letters, digits, - and _, and "
            "webhook-timestamp the seconds since 1970."
        )
    right = signature(secret, uid, int(sent), content).encode()
    given = headers.get("webhook-signature", "").encode().split()[:_MOST_SIGNATURES]
    if not any(hmac.compare_digest(right, one) for one in given):
        raise NotGenuine(
            "The header webhook-signature is not the signature of this id, time and body with "
            "EVENTS_SECRET."
        )
    if abs(now - int(sent)) > WINDOW_SECONDS:
        raise NotGenuine(
            f"It was signed more than {WINDOW_SECONDS} s before or after the time here. Sign it "
            "again, and check the clocks."
        )
    return uid
