"""A database's content as lines that any supported database can restore.

A row is a JSON array of its columns' values. Times and dates are ISO text, and JSON columns are
copied as text without parsing, so they are restored character for character. Each table's columns
are stored beside its lines: a backup of an older revision is loaded into the tables of that
revision and migrated from there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa

from core.adapters.store import engine as engines
from core.adapters.store.audit import Audit
from core.adapters.store.engine import WRITE, make_engine, make_file, translated
from core.adapters.store.migrate import prepare, upgrade
from core.adapters.store.schema_version import recorded
from core.adapters.store.scope import DATASET, EVERY, is_scoped
from core.adapters.store.tables import (
    UtcDateTime,
    audit,
    audit_head,
    batches,
    datasets,
    metadata,
    replicas,
    rows_table,
)
from core.adapters.store.timeouts import CHANGING
from core.domain.batches import BatchState
from core.domain.dataset import Dataset
from core.rules.ops.audit_chain import Break

_LEFT_OUT = (replicas,)
"""Tables of running processes, which are not restored."""

PAGE = 2_000
"""Rows that are read or written at once."""

_PART_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Shape:
    """A table's name and its columns, each with its kind: plain, bool, time, date or json."""

    name: str
    columns: tuple[tuple[str, str], ...]

    @property
    def owner(self) -> str:
        """The column that names a row's dataset; "" of a table that is carried whole.

        None had it before there could be several. The audit trail is one chain, which is not valid
        in parts.
        """
        table = metadata.tables.get(self.name)
        column = "name" if table is datasets else "dataset"
        is_split = table is datasets or (is_scoped(table) and table is not audit)
        return column if is_split and column in dict(self.columns) else ""

    def without(self, names: Collection[str]) -> Shape:
        """It as it was before these columns were added."""
        return Shape(self.name, tuple(c for c in self.columns if c[0] not in names))


def shapes(datasets: Iterable[Dataset]) -> list[Shape]:
    """Every table of a backup, in this version's shape."""
    return [shape_of(table) for table in carried_tables(datasets)]


def carried_tables(datasets: Iterable[Dataset]) -> list[sa.Table]:
    """The tables of a backup of these datasets, in the order of its members."""
    kept = [t for t in metadata.sorted_tables if t not in _LEFT_OUT]
    return kept + [rows_table(dataset) for dataset in datasets]


def shape_of(table: sa.Table) -> Shape:
    """A table's shape."""
    return Shape(table.name, tuple((c.name, _kind(c.type)) for c in table.columns))


_KINDS = {"time": UtcDateTime, "bool": sa.Boolean, "date": sa.Date, "json": sa.JSON}
"""The column types of each kind; all others are plain."""


def _kind(column_type: sa.types.TypeEngine[Any]) -> str:
    return next((k for k, of in _KINDS.items() if isinstance(column_type, of)), "plain")


def named_table(shape: Shape) -> sa.TableClause:
    """A table of that shape; statements on it are bound to no dataset."""
    types = _KINDS | {"json": sa.Text, "plain": sa.types.NullType}
    columns: list[sa.ColumnClause[Any]] = [sa.column(n, types[k]()) for n, k in shape.columns]
    return sa.table(shape.name, *columns)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A consistent snapshot of a database: of all datasets, or of the one named `only`."""

    connection: sa.Connection
    revision: str
    only: str = ""

    def unread(self) -> list[str]:
        """The spool files of batches that are not parsed yet."""
        query = sa.select(batches.c.spool).where(batches.c.state == BatchState.RECEIVED)
        return list(self.connection.execute(query).scalars())

    def chain(self) -> tuple[tuple[int, str], Break | None]:
        """The audit trail's head, and its first break, if any."""
        trail = Audit(self.connection, datetime.now(UTC), dataset="")
        return trail.head(), trail.verify()

    def lines(self, shape: Shape) -> Iterator[tuple[bytes, int]]:
        """A table's rows in parts of some megabytes, each with its number of rows."""
        table = named_table(shape)
        kinds = [kind for _, kind in shape.columns]
        first = next(iter(table.columns))  # every table's key begins with its first column
        query = sa.select(*table.columns).order_by(first)
        if self.only and shape.owner:
            query = query.where(table.c[shape.owner] == self.only)
        streamed = self.connection.execution_options(stream_results=True, max_row_buffer=PAGE)
        part, count = bytearray(), 0
        with streamed.execute(query) as result:
            for page in result.partitions(PAGE):
                for row in page:
                    values = [_out(kind, v) for kind, v in zip(kinds, row, strict=True)]
                    part += json.dumps(values, ensure_ascii=False).encode() + b"\n"
                    count += 1
                if len(part) >= _PART_BYTES:
                    yield bytes(part), count
                    part, count = bytearray(), 0
        if count:
            yield bytes(part), count


def _out(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind in ("time", "date"):
        return value.isoformat()
    if kind == "json" and not _is_json(value):
        return json.dumps(value)  # invalid JSON becomes a JSON text, which every database accepts
    return value


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


@contextmanager
def snapshot(engine: sa.Engine, only: str = "") -> Iterator[Snapshot]:
    """A consistent snapshot of all datasets, or of the one named `only`, without locks.

    Raises:
        StoreUnavailable: the database is unavailable.
    """
    with engines.snapshot(engine) as opened:
        connection = opened.execution_options(**{DATASET: only or EVERY})
        yield Snapshot(connection, recorded(connection), only)


def read_rows(shape: Shape, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The rows of a table, from their lines."""
    for values in map(json.loads, lines):
        yield {n: _in(kind, v) for (n, kind), v in zip(shape.columns, values, strict=True)}


def _add(connection: sa.Connection, shape: Shape, lines: Iterable[bytes]) -> None:
    table, rows = named_table(shape), read_rows(shape, lines)
    while page := list(islice(rows, PAGE)):
        connection.execute(sa.insert(table), page)


def _in(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "time":
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if kind == "date" else value


@contextmanager
def brought_up(
    url: str,
    datasets: Sequence[Dataset],
    revision: str,
    tables: Iterable[tuple[Shape, Iterable[bytes]]],
    only: str = "",
) -> Iterator[Snapshot]:
    """Rows of an older revision, migrated to the current one; or those of the dataset `only`.

    `url` names a database that does not exist yet; the caller deletes it.

    Raises:
        StoreUnavailable: it refuses a row.
    """
    make_file(url)
    engine = make_engine(url, CHANGING)
    try:
        with translated(engine), engine.connect() as opened:
            connection = opened.execution_options(**{WRITE: True, DATASET: EVERY})
            upgrade(connection, revision)
            for dataset in datasets:
                prepare(connection, dataset, views=())
            if sa.inspect(connection).has_table(audit_head.name):  # since the second revision
                connection.execute(sa.delete(audit_head))
            for shape, lines in tables:
                _add(connection, shape, lines)
            connection.commit()
            upgrade(connection, dataset=datasets[0].name)
        with snapshot(engine, only) as migrated:
            yield migrated
    finally:
        engine.dispose()
