"""The outbox of notifications: written in the event's transaction, posted afterwards."""

from __future__ import annotations

import uuid
from typing import Any

from core.adapters.store.part import Part, whole
from core.adapters.store.tables import notifications
from core.rules.ops.notification import MAX_ATTEMPTS, Delivery, Event, Notice, pause_after


class Notifications(Part):
    """The notifications; bound to one transaction."""

    def add(self, event: Event, subject: str, text: str) -> str:
        """Add a notification, which is posted after the commit; returns the receiver's id."""
        uid = str(uuid.uuid4())
        self._insert(
            notifications,
            uid=uid,
            event=event,
            subject=subject,
            text=text,
            created_at=self._now,
            state=Delivery.PENDING,
            attempts=0,
            next_at=self._now,
            failure="",
        )
        return uid

    def get(self, uid: str) -> Notice | None:
        """The notification with that id, or None."""
        return self._one(Notice, whole(notifications).where(notifications.c.uid == uid))

    def latest(self, limit: int = 20) -> list[Notice]:
        """The newest notifications first."""
        query = whole(notifications).order_by(notifications.c.id.desc()).limit(limit)
        return self._all(Notice, query)

    def due(self, limit: int = 20) -> list[Notice]:
        """The due notifications, oldest first."""
        is_due = (notifications.c.state == Delivery.PENDING, notifications.c.next_at <= self._now)
        query = whole(notifications).where(*is_due).order_by(notifications.c.id).limit(limit)
        return self._all(Notice, query)

    def take(self, notice: Notice) -> bool:
        """Claim the next attempt; False if another process did.

        The pause until the following one starts now, so that a process that dies while posting
        delays a notification and loses none.
        """
        return self._change(
            notice,
            notice.attempts,
            attempts=notice.attempts + 1,
            next_at=self._now + pause_after(notice.attempts + 1),
        )

    def skip(self, notice: Notice, why: str) -> None:
        """Record that it is not to be sent."""
        self._change(notice, notice.attempts, state=Delivery.SKIPPED, failure=why)

    def delivered(self, notice: Notice) -> None:
        """Record that the claimed attempt succeeded."""
        values = {"state": Delivery.DELIVERED, "delivered_at": self._now, "failure": ""}
        self._change(notice, notice.attempts + 1, **values)

    def failed(self, notice: Notice, why: str) -> None:
        """Record why the claimed attempt failed; `MAX_ATTEMPTS` is the last."""
        over = notice.attempts + 1 >= MAX_ATTEMPTS
        state = Delivery.GIVEN_UP if over else Delivery.PENDING
        self._change(notice, notice.attempts + 1, state=state, failure=why)

    def _change(self, notice: Notice, tried: int, **values: Any) -> bool:
        return self._update(
            notifications,
            notifications.c.id == notice.id,
            notifications.c.state == Delivery.PENDING,
            notifications.c.attempts == tried,
            **values,
        )
