"""Queries about several datasets at once: rows by dataset, and the newest few of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

import sqlalchemy as sa

T = TypeVar("T")


class EveryDataset:
    """Queries on a connection for all datasets, of which these are asked about."""

    def __init__(self, connection: sa.Connection, names: Collection[str]) -> None:
        self.connection = connection
        self.names = tuple(names)

    def rows(self, query: sa.Select[Any]) -> Iterator[tuple[str, Any]]:
        """The rows whose first column, the dataset, is one of the names."""
        column = query.selected_columns[0]
        for row in self.connection.execute(query.where(column.in_(self.names))):
            yield row[0], row

    def gather(self, query: sa.Select[Any], make: Callable[[Any], T]) -> dict[str, tuple[T, ...]]:
        """A tuple of records from the rows of each dataset that has any, in their order."""
        found: dict[str, list[T]] = {}
        for name, row in self.rows(query):
            found.setdefault(name, []).append(make(row))
        return {name: tuple(of) for name, of in found.items()}

    def newest(self, table: sa.Table, most: int, *where: sa.ColumnElement[bool]) -> sa.Subquery:
        """The ids of each dataset's newest rows in a table that has an `id`."""
        place = sa.func.row_number().over(partition_by=table.c.dataset, order_by=table.c.id.desc())
        of_each = (
            sa.select(table.c.id, place.label("place"))
            .where(table.c.dataset.in_(self.names), *where)
            .subquery()
        )
        return sa.select(of_each.c.id).where(of_each.c.place <= most).subquery()


def record(kind: Callable[..., T]) -> Callable[[Any], T]:
    """Makes a record of a row whose columns are its fields, after the dataset."""

    def make(row: Any) -> T:
        fields = dict(row._mapping)
        fields.pop("dataset")
        return kind(**fields)

    return make
