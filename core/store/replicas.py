"""Who serves: the replicas of serving as they report themselves, through `serving.record`."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from core.records import Replica
from core.tables import replicas

ALIVE = timedelta(seconds=15)
"""A replica that was not heard for so long is gone; they report every four seconds."""

_FORGOTTEN = timedelta(days=1)


class Replicas:
    """The replicas, as seen from inside one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def alive(self) -> list[Replica]:
        """Those heard lately, by their addresses."""
        query = (
            sa.select(replicas)
            .where(replicas.c.heard_at > self._now - ALIVE)
            .order_by(replicas.c.url, replicas.c.started_at)
        )
        return [Replica(**row._mapping) for row in self._connection.execute(query)]

    def forget_gone(self) -> None:
        """Drop the rows of those that have been gone for a day."""
        self._connection.execute(
            sa.delete(replicas).where(replicas.c.heard_at < self._now - _FORGOTTEN)
        )
