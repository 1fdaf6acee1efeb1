"""The webhook: one signed JSON POST.

Nothing here says or logs the secret, or more of the address than its host.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import requests

from core.addresses import Destination
from core.errors import AddressRefused, NotDelivered
from core.notice import Notice, body, signature
from core.outbound import Session
from core.settings import Settings

_SECONDS = (3.0, 5.0)
"""How long to wait for a connection, and for each part of the answer."""


@dataclass(frozen=True, slots=True, repr=False)
class Webhook:
    """A receiver of notices.

    Each request has the headers `webhook-id` (the same for every try), `webhook-timestamp`
    (seconds since 1970) and, with a secret, `webhook-signature`: see `core.notice`.
    """

    url: str
    secret: str
    console: str
    to: Destination

    @classmethod
    def of(cls, settings: Settings) -> Webhook | None:
        """The receiver that the settings name, if they name one."""
        url = settings.webhook_url.get_secret_value()
        secret = settings.webhook_secret.get_secret_value()
        if not url:
            return None
        return cls(url, secret, settings.console_link, settings.webhook_destination)

    def post(self, notice: Notice) -> None:
        """Send a notice once.

        Raises:
            NotDelivered: the receiver did not take it, or must not be asked. The message has
                nothing of what it said, and of its address at most the host.
        """
        content = json.dumps(body(notice, self.console), ensure_ascii=False).encode()
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
                Session(self.to) as session,
                session.post(
                    self.url,
                    data=content,
                    headers=headers,
                    timeout=_SECONDS,
                    stream=True,  # the body of the answer is nobody's concern, however long it is
                ) as answer,
            ):
                status = answer.status_code
        except AddressRefused as error:
            raise NotDelivered(str(error)) from None
        except (requests.RequestException, ValueError) as error:
            # Its text holds the address, which at Slack and its like is a secret.
            raise NotDelivered(f"No answer ({type(error).__name__}).") from None
        if requests.codes.multiple_choices <= status < requests.codes.bad_request:
            raise NotDelivered(f"HTTP {status}: it points elsewhere, and that is not followed.")
        if not requests.codes.ok <= status < requests.codes.multiple_choices:
            raise NotDelivered(f"HTTP {status}.")
