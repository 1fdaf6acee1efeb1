"""Deliveries of events that were accepted lately: each id is accepted once."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import sqlalchemy as sa

from core.adapters.store.part import Part
from core.adapters.store.tables import deliveries
from core.domain.errors import DeliveredAlready, TooManyDeliveries

_MINUTE = timedelta(minutes=1)


class Deliveries(Part):
    """The deliveries; bound to one transaction."""

    def accept(self, uid: str, *, kept: timedelta, most: int) -> None:
        """Record a delivery, and forget those that are older than `kept`.

        A unique key decides between two transactions. At most `most` are accepted in a minute, so
        the table is bounded.

        Raises:
            DeliveredAlready: the id was accepted before.
            TooManyDeliveries: that many were accepted within the last minute.
        """
        received = deliveries.c.received_at
        digest = sha256(uid.encode()).hexdigest()  # databases compare text in their own ways
        try:
            with self._connection.begin_nested():
                self._insert(deliveries, digest=digest, received_at=self._now)
        except sa.exc.IntegrityError:
            raise DeliveredAlready(
                f"Delivery {uid[:60]} was accepted before; nothing was done."
            ) from None
        lately = sa.select(sa.func.count()).where(received > self._now - _MINUTE)
        if int(self._value(lately)) > most:
            raise TooManyDeliveries(
                f"{most} deliveries were accepted within a minute. Deliver this one again later."
            )
        self._connection.execute(sa.delete(deliveries).where(received < self._now - kept))
