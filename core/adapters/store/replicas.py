"""The self-reported replicas of serving."""

from __future__ import annotations

from datetime import timedelta

from core.adapters.store.part import Part, whole
from core.adapters.store.tables import replicas
from core.domain.promotions import Replica

ALIVE = timedelta(seconds=15)
"""A replica without a report for this long is gone; they report every four seconds."""

_FORGOTTEN = timedelta(days=1)


class Replicas(Part):
    """The replicas; bound to one transaction."""

    def alive(self) -> list[Replica]:
        """Replicas with a recent report, by address."""
        query = (
            whole(replicas)
            .where(replicas.c.heard_at > self._now - ALIVE)
            .order_by(replicas.c.url, replicas.c.started_at)
        )
        return self._all(Replica, query)

    def forget_gone(self) -> None:
        """Delete replicas that have been gone for a day."""
        self._delete(replicas, replicas.c.heard_at < self._now - _FORGOTTEN)
