"""Everything in a database as lines that any supported database can take back.

A row is a JSON array of its columns' values. Times and dates are ISO text and JSON columns their
own text, unread, so that what comes back is what was there, character for character. The shape of
each table travels beside its lines: an older one is loaded into the tables of its own revision and
migrated from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from core.chain import Break
from core.dataset import Dataset
from core.errors import BackupUnusable
from core.records import BatchState, JobState
from core.store.audit import Audit
from core.store.engine import WRITE, make_engine, translated
from core.store.revision import recorded
from core.store.schema import prepare, upgrade
from core.tables import UtcDateTime, audit_head, batches, jobs, metadata, replicas, rows_table

_LEFT_OUT = (replicas,)
"""Who runs now is not what was."""

_PAGE = 2_000
_PART_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Shape:
    """A table's name and its columns, each with its kind: plain, bool, time, date or json."""

    name: str
    columns: tuple[tuple[str, str], ...]


def shapes(dataset: Dataset) -> list[Shape]:
    """Every table that is carried, as this version describes it."""
    return [_shape(table) for table in _tables(dataset)]


def _tables(dataset: Dataset) -> list[sa.Table]:
    return [t for t in metadata.sorted_tables if t not in _LEFT_OUT] + [rows_table(dataset)]


def _shape(table: sa.Table) -> Shape:
    return Shape(table.name, tuple((c.name, _kind(c.type)) for c in table.columns))


def _kind(kind: sa.types.TypeEngine[Any]) -> str:
    if isinstance(kind, UtcDateTime):
        return "time"
    for of, name in ((sa.Boolean, "bool"), (sa.Date, "date"), (sa.JSON, "json")):
        if isinstance(kind, of):
            return name
    return "plain"


_TYPES: dict[str, Callable[[], sa.types.TypeEngine[Any]]] = {
    "plain": sa.types.NullType,
    "bool": sa.Boolean,
    "time": UtcDateTime,
    "date": sa.Date,
    "json": sa.Text,
}


def _table(shape: Shape) -> sa.TableClause:
    columns: list[sa.ColumnClause[Any]] = [
        sa.column(n, _TYPES[kind]()) for n, kind in shape.columns
    ]
    return sa.table(shape.name, *columns)


# Out


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A database at one moment, whatever others write meanwhile."""

    connection: sa.Connection
    dataset: Dataset
    revision: str

    def unread(self) -> list[str]:
        """The spool files of answers that were received and not yet read."""
        query = sa.select(batches.c.spool).where(batches.c.state == BatchState.RECEIVED.value)
        return list(self.connection.execute(query).scalars())

    def chain(self) -> tuple[tuple[int, str], Break | None]:
        """The audit trail's head, and where the trail is broken, if it is."""
        audit = Audit(self.connection, datetime.now(UTC))
        return audit.head(), audit.verify()

    def lines(self, shape: Shape) -> Iterator[tuple[bytes, int]]:
        """A table's rows in parts of some megabytes, each with how many rows it has."""
        table = _table(shape)
        kinds = [kind for _, kind in shape.columns]
        first = next(iter(table.columns))  # every table's key begins with its first column
        query = sa.select(*table.columns).order_by(first)
        streamed = self.connection.execution_options(stream_results=True, max_row_buffer=_PAGE)
        part, count = bytearray(), 0
        with streamed.execute(query) as result:
            for page in result.partitions(_PAGE):
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
        return json.dumps(value)  # unreadable before, and unreadable after, but a text
    return value


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@contextmanager
def snapshot(engine: sa.Engine, dataset: Dataset) -> Iterator[Snapshot]:
    """A database at one moment; nobody waits for it.

    Raises:
        StoreUnavailable: the database is away.
    """
    with translated(), engine.connect() as connection:
        if connection.dialect.name != "sqlite":  # where every transaction is a snapshot
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield Snapshot(connection, dataset, recorded(connection))


# In


class Replacement:
    """One transaction that puts other rows in the place of all that are there."""

    def __init__(self, connection: sa.Connection, dataset: Dataset) -> None:
        self._connection = connection
        self._tables = _tables(dataset)
        self._now = datetime.now(UTC)

    def is_empty(self) -> bool:
        """Whether nothing is there but what the migrations make."""
        for table in self._tables:
            query = sa.select(sa.literal(1)).select_from(table).limit(1)
            if table is audit_head:
                query = query.where(audit_head.c.last_id > 0)
            if self._connection.execute(query).scalar():
                return False
        return True

    def running(self) -> list[int]:
        """The jobs that somebody works on."""
        query = sa.select(jobs.c.id).where(
            jobs.c.state == JobState.RUNNING.value, jobs.c.lease_until > self._now
        )
        return list(self._connection.execute(query).scalars())

    def clear(self) -> None:
        """Delete every row that a backup carries."""
        for table in self._tables:
            self._connection.execute(sa.delete(table))

    def add(self, shape: Shape, lines: Iterable[bytes]) -> int:
        """Add rows of one table; says how many."""
        return _add(self._connection, shape, lines)

    def broken(self) -> Break | None:
        """Where the audit trail that was put here does not hold, if it does not."""
        return Audit(self._connection, self._now).verify()

    def commit(self, actor: str, subject: str, details: dict[str, Any]) -> None:
        """Put the act itself on record behind the trail that was put here, and keep everything."""
        audit = Audit(self._connection, self._now)
        audit.add(actor, "restore", subject, details=details)
        audit.flush()
        self._connection.commit()


@contextmanager
def replacing(engine: sa.Engine, dataset: Dataset) -> Iterator[Replacement]:
    """A replacement that leaves everything as it was unless it is committed.

    Raises:
        StoreUnavailable: the database is away, or takes no more.
        BackupUnusable: it refuses a row.
    """
    try:
        with translated(), engine.connect() as opened:
            yield Replacement(opened.execution_options(**{WRITE: True}), dataset)
    except (sa.exc.IntegrityError, sa.exc.DataError) as error:
        arguments = getattr(error.orig, "args", None) or (type(error).__name__,)
        raise BackupUnusable(
            f"The database refused a row of the backup ({arguments[-1]}); nothing was changed."
        ) from error


def _add(connection: sa.Connection, shape: Shape, lines: Iterable[bytes]) -> int:
    table = _table(shape)
    total, page = 0, []
    for line in lines:
        values = zip(shape.columns, json.loads(line), strict=True)
        page.append({name: _in(kind, value) for (name, kind), value in values})
        if len(page) == _PAGE:
            connection.execute(sa.insert(table), page)
            total, page = total + len(page), []
    if page:
        connection.execute(sa.insert(table), page)
    return total + len(page)


def _in(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "time":
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if kind == "date" else value


@contextmanager
def brought_up(
    url: str, dataset: Dataset, revision: str, tables: Iterable[tuple[Shape, Iterable[bytes]]]
) -> Iterator[Snapshot]:
    """Rows of an older revision, as the migrations make today's of them.

    `url` is that of a database which does not exist yet; the caller takes it away.

    Raises:
        StoreUnavailable: it takes no more.
    """
    engine = make_engine(url)
    try:
        with translated(), engine.connect() as opened:
            connection = opened.execution_options(**{WRITE: True})
            upgrade(connection, revision)
            prepare(connection, dataset)
            if sa.inspect(connection).has_table(audit_head.name):  # since the second revision
                connection.execute(sa.delete(audit_head))
            for shape, lines in tables:
                _add(connection, shape, lines)
            connection.commit()
            upgrade(connection)
        with snapshot(engine, dataset) as migrated:
            yield migrated
    finally:
        engine.dispose()
