"""Drift limits set by operators: append-only, the newest wins."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from core.adapters.store.part import Part, select
from core.adapters.store.tables import drift_limits
from core.rules.drift.thresholds import Key, LimitEntry


class Limits(Part):
    """The limits on record; bound to one transaction."""

    def set(self, wanted: Mapping[Key, float | None], *, actor: str, reason: str) -> None:
        """Record new limits; None restores the dataset file's."""
        by = {"at": self._now, "actor": actor[:200], "reason": reason}
        self._insert_all(
            drift_limits,
            (
                {"column_name": column, "statistic": statistic, "value": value} | by
                for (column, statistic), value in wanted.items()
            ),
        )

    def in_force(self) -> dict[Key, float]:
        """The limits that override the dataset file's."""
        limits = drift_limits.c
        newest = sa.select(sa.func.max(limits.id)).group_by(limits.column_name, limits.statistic)
        query = sa.select(limits.column_name, limits.statistic, limits.value).where(
            limits.id.in_(newest), limits.value.is_not(None)
        )
        return {(r.column_name, r.statistic): r.value for r in self._connection.execute(query)}

    def history(self, limit: int = 100) -> list[LimitEntry]:
        """All recorded limits, newest first."""
        query = select(LimitEntry, drift_limits, column="column_name")
        return self._all(LimitEntry, query.order_by(drift_limits.c.id.desc()).limit(limit))
