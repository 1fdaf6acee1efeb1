"""What every subject of the store has: one transaction, and rows mapped to records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

import sqlalchemy as sa

R = TypeVar("R")


def select(record: type[Any], table: sa.Table, **renamed: str) -> sa.Select[Any]:
    """The columns that a record's fields are named after.

    `renamed` maps a field to a column of another name, or to "" if it has none.
    """
    columns = ((f.name, renamed.get(f.name, f.name)) for f in fields(record))
    return sa.select(*(table.c[column].label(name) for name, column in columns if column))


@cache
def whole(table: sa.Table, *but: str) -> sa.Select[Any]:
    """The columns of a table but these and its dataset, which the connection knows."""
    return sa.select(*(c for c in table.c if c.name not in ("dataset", *but)))


def equal(*wanted: tuple[sa.Column[Any], Any]) -> list[sa.ColumnElement[bool]]:
    """A condition for each column whose wanted value is neither None nor empty."""
    return [column == value for column, value in wanted if value not in (None, "")]


class Part:
    """The queries of one subject in one transaction, which began at `now`.

    They are about the dataset that the connection was opened for: see `core.adapters.store.scope`.
    """

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def _all(self, record: type[R], query: sa.Select[Any]) -> list[R]:
        """Each row as a record."""
        return [record(**row._mapping) for row in self._connection.execute(query)]

    def _one(self, record: type[R], query: sa.Select[Any]) -> R | None:
        """The first row as a record, or None."""
        return next(iter(self._all(record, query.limit(1))), None)

    def _values(self, query: sa.Select[Any]) -> list[Any]:
        """The first column of each row."""
        return list(self._connection.execute(query).scalars())

    def _value(self, query: sa.Select[Any]) -> Any:
        """The first column of the first row, or None."""
        return self._connection.execute(query).scalar()

    def _insert(self, table: sa.Table, **values: Any) -> int:
        """Insert a row; returns its id, or 0 if its key is no single number."""
        inserted = self._connection.execute(sa.insert(table).values(**values))
        key = inserted.inserted_primary_key or (0,)
        return int(key[0]) if isinstance(key[0], int) else 0

    def _insert_all(self, table: sa.Table, rows: Iterable[dict[str, Any]]) -> None:
        """Insert rows, if there are any: SQLAlchemy would insert a row of defaults for none."""
        if listed := list(rows):
            self._connection.execute(sa.insert(table), listed)

    def _update(self, table: sa.Table, *where: sa.ColumnElement[bool], **values: Any) -> bool:
        """Update where everything holds; returns whether a row matched."""
        updated = self._connection.execute(sa.update(table).where(*where).values(**values))
        return updated.rowcount > 0

    def _delete(self, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
        """Delete where everything holds; returns how many rows did."""
        return self._connection.execute(sa.delete(table).where(*where)).rowcount
