"""The columns of a dataset's rows table beside those of the dataset file.

A file may add columns (`added_later`); nothing else about the columns of a table can change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from core.adapters.store.tables import audit, rows_table
from core.adapters.store.tables.types import UtcDateTime
from core.domain.dataset import Dataset
from core.domain.errors import DatasetError, SchemaMismatch

ADDED = "add columns"
"""The action on record when a dataset file adds columns to its table."""

_NEW_NAME = "give the changed dataset a new name"

_FAMILIES: dict[str, tuple[type[Any], ...]] = {
    "text": (sa.String,),
    "date": (sa.Date,),
    "timestamp": (sa.DateTime, UtcDateTime),
    "boolean": (sa.Integer, sa.Boolean),  # MySQL's BOOLEAN is a TINYINT
    "number": (sa.Numeric, sa.Float),
}


@dataclass(frozen=True, slots=True)
class Changes:
    """What migrating does for a dataset file: make the table, or add columns to it."""

    table: str
    exists: bool
    added: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        """It as a sentence."""
        if not self.exists:
            return f"There is no table {self.table} yet; it is created."
        if not self.added:
            return f"The columns of the table {self.table} are those of the dataset file."
        return (
            f"The table {self.table} gets the column {', '.join(self.added)}, which is empty in "
            "the rows that are there."
        )


def planned(connection: sa.Connection, dataset: Dataset) -> Changes:
    """What `migrate` will do for the dataset; changes nothing.

    Raises:
        DatasetError: the file changes the columns of its table in a way that is not possible.
    """
    table = rows_table(dataset)
    inspector = sa.inspect(connection)
    if not inspector.has_table(table.name):
        return Changes(table.name, exists=False)
    there = {c["name"]: _family(c["type"]) for c in inspector.get_columns(table.name)}
    wanted = {c.name: _family(c.type) for c in table.columns}
    new = tuple(name for name in wanted if name not in there)
    gone = [name for name in there if name not in wanted]
    if gone:
        raise DatasetError(_removed(table.name, gone, new))
    unmarked = [name for name in new if not dataset.column(name).added_later]
    if unmarked:
        raise DatasetError(
            f"The table {table.name} does not have the column {', '.join(unmarked)} of the "
            f"dataset file. Write added_later = true under it, or {_NEW_NAME}."
        )
    changed = [name for name in wanted if name in there and there[name] != wanted[name]]
    if changed:
        each = ", ".join(f"{n} is {there[n]} in the table" for n in changed)
        raise DatasetError(
            f"The table {table.name} has values of another type than the dataset file: {each}. "
            f"Put the type back, or {_NEW_NAME}."
        )
    on_record = added_on_record(connection, dataset)
    unmarked = [c.name for c in dataset.columns if c.name in on_record and not c.added_later]
    if unmarked:
        raise DatasetError(
            f"The column {', '.join(unmarked)} was added to the table {table.name} later. Put "
            "added_later = true back under it."
        )
    return Changes(table.name, exists=True, added=new)


def _removed(table: str, gone: list[str], new: tuple[str, ...]) -> str:
    says = f"The table {table} has the column {', '.join(gone)}, which the dataset file lacks. "
    if new:
        return says + (
            f"If {', '.join(new)} is a new name of it in the batches, keep the old name and write "
            f"the new one as its source; else put the column back, or {_NEW_NAME}."
        )
    return says + f"Put it back, or {_NEW_NAME}."


def added_on_record(connection: sa.Connection, dataset: Dataset) -> frozenset[str]:
    """The columns that were added to the dataset's table, as the audit trail has them."""
    if not sa.inspect(connection).has_table(audit.name):
        return frozenset()
    rules = (audit.c.action == ADDED, audit.c.subject == subject(dataset))
    details = connection.execute(sa.select(audit.c.details).where(*rules)).scalars()
    return frozenset(name for entry in details for name in entry.get("added", ()))


def subject(dataset: Dataset) -> str:
    """The dataset, as the audit trail names it."""
    return f"dataset:{dataset.name}"


def require_columns(connection: sa.Connection, table: sa.Table) -> None:
    """Check that the rows table has the dataset's columns and no other.

    Within a transaction that has written rows, no other process can add a column any more.

    Raises:
        SchemaMismatch: another revision of the dataset file was migrated to, or this one was not.
    """
    name = connection.dialect.identifier_preparer.quote(table.name)
    there = set(connection.exec_driver_sql(f"SELECT * FROM {name} LIMIT 0").keys())  # noqa: S608
    wanted = {column.name for column in table.columns}
    if lacking := sorted(wanted - there):
        raise SchemaMismatch(
            f"The table {table.name} does not have the column {', '.join(lacking)} of the dataset "
            "file yet. Run `python -m workers migrate`, then try again."
        )
    if more := sorted(there - wanted):
        raise SchemaMismatch(
            f"The table {table.name} has the column {', '.join(more)}, which the dataset file of "
            "this process lacks. Start it again with the dataset file that has it (DATASET)."
        )


def _family(kind: sa.types.TypeEngine[Any]) -> str:
    """What a column holds, named alike on every database."""
    families = (name for name, kinds in _FAMILIES.items() if isinstance(kind, kinds))
    return next(families, str(kind))
