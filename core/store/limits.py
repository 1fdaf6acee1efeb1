"""Limits that an operator set: rows are added and never changed, and the newest wins."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from core.limits import Key, LimitEntry
from core.tables import drift_limits


class Limits:
    """The limits on record, as seen from inside one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def set(self, wanted: Mapping[Key, float | None], *, actor: str, reason: str) -> None:
        """Put new limits on record; None gives one back to the dataset file."""
        self._connection.execute(
            sa.insert(drift_limits),
            [
                {
                    "at": self._now,
                    "column_name": column,
                    "statistic": statistic,
                    "value": value,
                    "actor": actor[:200],
                    "reason": reason,
                }
                for (column, statistic), value in wanted.items()
            ],
        )

    def in_force(self) -> dict[Key, float]:
        """The limits that stand in the place of the dataset file's."""
        limits = drift_limits.c
        newest = sa.select(sa.func.max(limits.id)).group_by(limits.column_name, limits.statistic)
        query = sa.select(limits.column_name, limits.statistic, limits.value).where(
            limits.id.in_(newest), limits.value.is_not(None)
        )
        return {(r.column_name, r.statistic): r.value for r in self._connection.execute(query)}

    def history(self, limit: int = 100) -> list[LimitEntry]:
        """What was set, newest first."""
        query = sa.select(drift_limits).order_by(drift_limits.c.id.desc()).limit(limit)
        return [
            LimitEntry(r.id, r.at, r.column_name, r.statistic, r.value, r.actor, r.reason)
            for r in self._connection.execute(query)
        ]
