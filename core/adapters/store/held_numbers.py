"""Ids that were given out stay given out, also where a restore deletes the rows that have them.

The audit trail, MLflow and newer backups name jobs, batches, reports and windows by their ids.
MySQL and MariaDB never give one out twice. SQLite counts on from the highest that is there, so
where that row goes, an empty row of no dataset takes its place.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from core.adapters.store.dump import Shape, named_table, shape_of
from core.adapters.store.tables import batches, drift_reports, jobs, live_windows
from core.adapters.store.tables.types import UtcDateTime

NOBODY = ""
"""The dataset of a row that only holds a number."""


class HeldNumbers:
    """The highest ids before a restore of one dataset, and what keeps them."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        is_needed = connection.dialect.name == "sqlite"
        self._tables = (jobs, batches, drift_reports, live_windows) if is_needed else ()
        self._newest: dict[str, int] = {}

    def note(self) -> None:
        """Note the highest ids, and free those that are held, before rows are replaced."""
        for table in self._tables:
            shape = shape_of(table)
            unbound = named_table(shape)
            self._newest[table.name] = self._highest(shape)
            self._connection.execute(sa.delete(unbound).where(unbound.c.dataset == NOBODY))

    def keep(self) -> None:
        """Hold those numbers that are higher than any that is there now."""
        for table in self._tables:
            shape, highest = shape_of(table), self._newest[table.name]
            if highest > self._highest(shape):
                values = _empty(table, highest)
                self._connection.execute(sa.insert(named_table(shape)).values(values))

    def _highest(self, shape: Shape) -> int:
        query = sa.select(sa.func.max(named_table(shape).c.id))
        return int(self._connection.execute(query).scalar() or 0)


def _empty(table: sa.Table, number: int) -> dict[str, Any]:
    needed = {c.name: _nothing(c) for c in table.columns if not c.nullable}
    return needed | {"id": number, "dataset": NOBODY}


def _nothing(column: sa.Column[Any]) -> Any:
    if isinstance(column.type, UtcDateTime):
        return datetime.now(UTC)
    if isinstance(column.type, sa.JSON):
        return "{}"
    return 0 if isinstance(column.type, sa.Integer | sa.Double | sa.Boolean) else ""
