"""Being told to look at the alias at once: only by who shares the secret, and only lately.

The word carries nothing that would be believed: what is live is still what the registry says. The
signature keeps strangers from making this process ask the registry all day.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping

from core.notice import signature
from serving.problems import Problem

LATELY = 60
"""Seconds that a signed word stays good, before or after."""


def check_signature(secret: str, headers: Mapping[str, str], body: bytes) -> None:
    """Let a word pass that is signed as `core.notice` signs.

    Raises:
        Problem: no secret is set here, or the signature is missing, old, or wrong.
    """
    if not secret:
        raise Problem(404, "Nobody is listened to here: SERVING_PUSH_SECRET is not set.")
    uid, said = headers.get("webhook-id", ""), headers.get("webhook-signature", "")
    stamp = headers.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit()) or abs(time.time() - int(stamp[:12])) > LATELY:
        raise Problem(401, "The word is not signed, or not lately.")
    expected = signature(secret, uid, int(stamp[:12]), body)
    if not hmac.compare_digest(expected.encode(), said.encode()):
        raise Problem(401, "The signature is wrong.")
