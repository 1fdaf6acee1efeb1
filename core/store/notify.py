"""The outbox of notifications: written with what they tell of, posted afterwards."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.notice import MAX_ATTEMPTS, Delivery, Event, Notice, pause_after
from core.tables import notifications


def _notice(row: sa.Row[Any]) -> Notice:
    fields = dict(row._mapping)
    return Notice(**fields | {"event": Event(fields["event"]), "state": Delivery(fields["state"])})


class Notify:
    """The notices, as seen from inside one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def add(self, event: Event, subject: str, text: str) -> str:
        """Put a notice into the outbox; it is posted once this transaction is committed.

        Returns the id that the receiver will see.
        """
        uid = str(uuid.uuid4())
        self._connection.execute(
            sa.insert(notifications).values(
                uid=uid,
                event=event.value,
                subject=subject,
                text=text,
                created_at=self._now,
                state=Delivery.PENDING.value,
                attempts=0,
                next_at=self._now,
                failure="",
            )
        )
        return uid

    def get(self, uid: str) -> Notice | None:
        """The notice of that id, if there is one."""
        row = self._connection.execute(
            sa.select(notifications).where(notifications.c.uid == uid)
        ).one_or_none()
        return _notice(row) if row else None

    def latest(self, limit: int = 20) -> list[Notice]:
        """The newest notices first."""
        query = sa.select(notifications).order_by(notifications.c.id.desc()).limit(limit)
        return [_notice(row) for row in self._connection.execute(query)]

    def due(self, limit: int = 20) -> list[Notice]:
        """The notices whose turn has come, oldest first."""
        query = (
            sa.select(notifications)
            .where(
                notifications.c.state == Delivery.PENDING.value,
                notifications.c.next_at <= self._now,
            )
            .order_by(notifications.c.id)
            .limit(limit)
        )
        return [_notice(row) for row in self._connection.execute(query)]

    def take(self, notice: Notice) -> bool:
        """Take the next try, if nobody has: False says that somebody was first.

        The pause until the one after it starts now, so that a poster who dies while it posts
        delays a notice and loses none.
        """
        return self._change(
            notice,
            notice.attempts,
            attempts=notice.attempts + 1,
            next_at=self._now + pause_after(notice.attempts + 1),
        )

    def skip(self, notice: Notice, why: str) -> None:
        """Note that nobody wants to hear of it."""
        self._change(notice, notice.attempts, state=Delivery.SKIPPED.value, failure=why)

    def delivered(self, notice: Notice) -> None:
        """Note that the try that was taken went well."""
        self._change(
            notice,
            notice.attempts + 1,
            state=Delivery.DELIVERED.value,
            delivered_at=self._now,
            failure="",
        )

    def failed(self, notice: Notice, why: str) -> None:
        """Note why the try that was taken failed; after `MAX_ATTEMPTS` there is no other."""
        over = notice.attempts + 1 >= MAX_ATTEMPTS
        state = Delivery.GIVEN_UP if over else Delivery.PENDING
        self._change(notice, notice.attempts + 1, state=state.value, failure=why)

    def _change(self, notice: Notice, tried: int, **values: Any) -> bool:
        changed = self._connection.execute(
            sa.update(notifications)
            .where(
                notifications.c.id == notice.id,
                notifications.c.state == Delivery.PENDING.value,
                notifications.c.attempts == tried,
            )
            .values(**values)
        )
        return changed.rowcount > 0
