"""The webhook: one signed JSON POST.

Messages and logs contain neither the secret nor more of the URL than its host.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import requests

from core.adapters.http_session import Session
from core.domain.errors import NotDelivered
from core.platform.settings import Settings
from core.rules.ops.notification import Notice, body, signature

_SECONDS = (3.0, 5.0)
"""Timeouts for the connection and for each read."""


@dataclass(frozen=True, slots=True, repr=False)
class Webhook:
    """A receiver of notifications.

    Each request has the headers `webhook-id` (the same for every attempt), `webhook-timestamp`
    (seconds since 1970) and, with a secret, `webhook-signature`: see `core.rules.ops.notification`.
    `dataset` is that of the notifications on a desk with several, else empty.
    """

    url: str
    secret: str
    console: str
    proxied: bool = False
    dataset: str = ""

    @classmethod
    def of(cls, settings: Settings, dataset: str) -> Webhook | None:
        """The receiver in the settings of a dataset's notifications, or None."""
        url = settings.webhook_url.get_secret_value()
        secret = settings.webhook_secret.get_secret_value()
        if not url:
            return None
        named = dataset if settings.datasets else ""
        return cls(url, secret, settings.console_link, settings.outbound_proxies, named)

    def post(self, notice: Notice) -> None:
        """Send a notification once.

        Raises:
            NotDelivered: the receiver refused it or did not answer.
                The message contains nothing of the answer and at most the host of the URL.
        """
        content = json.dumps(body(notice, self.console, self.dataset), ensure_ascii=False).encode()
        sent = int(time.time())
        headers = {
            "content-type": "application/json; charset=utf-8",
            "user-agent": "driftdesk",
            "webhook-id": notice.uid,
            "webhook-timestamp": str(sent),
        }
        if self.secret:
            headers["webhook-signature"] = signature(self.secret, notice.uid, sent, content)
        try:
            with (
                Session(proxied=self.proxied) as session,
                session.post(
                    self.url,
                    data=content,
                    headers=headers,
                    timeout=_SECONDS,
                    stream=True,  # the body of the answer is not read
                ) as answer,
            ):
                status = answer.status_code
        except (requests.RequestException, ValueError) as error:
            # Its text contains the URL, which is a secret at Slack and similar services.
            raise NotDelivered(f"No answer ({type(error).__name__}).") from None
        if requests.codes.multiple_choices <= status < requests.codes.bad_request:
            raise NotDelivered(f"HTTP {status}: it points elsewhere, and that is not followed.")
        if not requests.codes.ok <= status < requests.codes.multiple_choices:
            raise NotDelivered(f"HTTP {status}.")
