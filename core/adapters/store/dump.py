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
from core.adapters.store.scope import DATASET, EVERY
from core.adapters.store.tables import (
    UtcDateTime,
    audit_head,
    batches,
    datasets,
    jobs,
    metadata,
    replicas,
    rows_table,
)
from core.adapters.store.timeouts import CHANGING
from core.domain.batches import BatchState
from core.domain.dataset import Dataset
from core.domain.errors import BackupUnusable
from core.domain.jobs import JobState
from core.rules.ops.audit_chain import Break

_LEFT_OUT = (replicas,)
"""Tables of running processes, which are not restored."""

_PAGE = 2_000
_PART_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Shape:
    """A table's name and its columns, each with its kind: plain, bool, time, date or json."""

    name: str
    columns: tuple[tuple[str, str], ...]

    def without(self, names: Collection[str]) -> Shape:
        """It as it was before these columns were added."""
        return Shape(self.name, tuple(c for c in self.columns if c[0] not in names))


def shapes(datasets: Iterable[Dataset]) -> list[Shape]:
    """Every table of a backup, in this version's shape."""
    return [_shape(table) for table in _tables(datasets)]


def _tables(datasets: Iterable[Dataset]) -> list[sa.Table]:
    kept = [t for t in metadata.sorted_tables if t not in _LEFT_OUT]
    return kept + [rows_table(dataset) for dataset in datasets]


def _shape(table: sa.Table) -> Shape:
    return Shape(table.name, tuple((c.name, _kind(c.type)) for c in table.columns))


_KINDS = {"time": UtcDateTime, "bool": sa.Boolean, "date": sa.Date, "json": sa.JSON}
"""The column types of each kind; all others are plain."""


def _kind(column_type: sa.types.TypeEngine[Any]) -> str:
    return next((k for k, of in _KINDS.items() if isinstance(column_type, of)), "plain")


def _table(shape: Shape) -> sa.TableClause:
    types = _KINDS | {"json": sa.Text, "plain": sa.types.NullType}
    columns: list[sa.ColumnClause[Any]] = [sa.column(n, types[k]()) for n, k in shape.columns]
    return sa.table(shape.name, *columns)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A consistent snapshot of a database."""

    connection: sa.Connection
    revision: str

    def unread(self) -> list[str]:
        """The spool files of batches that are not parsed yet."""
        query = sa.select(batches.c.spool).where(batches.c.state == BatchState.RECEIVED)
        return list(self.connection.execute(query).scalars())

    def chain(self) -> tuple[tuple[int, str], Break | None]:
        """The audit trail's head, and its first break, if any."""
        audit = Audit(self.connection, datetime.now(UTC), dataset="")
        return audit.head(), audit.verify()

    def lines(self, shape: Shape) -> Iterator[tuple[bytes, int]]:
        """A table's rows in parts of some megabytes, each with its number of rows."""
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
        return json.dumps(value)  # invalid JSON becomes a JSON text, which every database accepts
    return value


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


@contextmanager
def snapshot(engine: sa.Engine) -> Iterator[Snapshot]:
    """A consistent snapshot of all datasets, without locks.

    Raises:
        StoreUnavailable: the database is unavailable.
    """
    with engines.snapshot(engine) as opened:
        connection = opened.execution_options(**{DATASET: EVERY})
        yield Snapshot(connection, recorded(connection))


class Replacement:
    """One transaction that replaces all rows of these datasets, and of the whole desk."""

    def __init__(self, connection: sa.Connection, datasets: Sequence[Dataset]) -> None:
        self._connection = connection
        self._datasets = datasets
        self._tables = _tables(datasets)
        self._now = datetime.now(UTC)

    def is_empty(self) -> bool:
        """Whether the database is as freshly migrated; a running desk has seen its datasets."""
        for table in self._tables:
            query = sa.select(sa.literal(1)).select_from(table).limit(1)
            if table is audit_head:
                query = query.where(audit_head.c.last_id > 0)
            elif table is datasets:
                query = query.where(datasets.c.disabled_at.is_not(None))
            if self._connection.execute(query).scalar():
                return False
        return True

    def running(self) -> list[int]:
        """The jobs that are running."""
        runs = (jobs.c.state == JobState.RUNNING, jobs.c.lease_until > self._now)
        query = sa.select(jobs.c.id).where(*runs)
        return list(self._connection.execute(query).scalars())

    def clear(self) -> None:
        """Delete every row of the tables in a backup."""
        for table in self._tables:
            self._connection.execute(sa.delete(table))

    def add(self, shape: Shape, lines: Iterable[bytes]) -> int:
        """Insert rows of one table; returns their number."""
        return _add(self._connection, shape, lines)

    def broken(self) -> Break | None:
        """The first break of the restored audit trail, if any."""
        return self._audit().verify()

    def _audit(self) -> Audit:
        """The trail; with one dataset all that happens is about it."""
        names = [d.name for d in self._datasets]
        return Audit(self._connection, self._now, dataset=names[0] if len(names) == 1 else "")

    def commit(self, actor: str, subject: str, details: dict[str, Any]) -> None:
        """Record the restore at the end of the restored trail, and commit."""
        audit = self._audit()
        audit.add(actor, "restore", subject, details=details)
        audit.flush()
        self._connection.commit()


@contextmanager
def replacing(engine: sa.Engine, datasets: Sequence[Dataset]) -> Iterator[Replacement]:
    """A replacement that rolls back unless it is committed.

    Raises:
        StoreUnavailable: the database is unavailable or full.
        BackupUnusable: it refuses a row.
    """
    try:
        with translated(engine), engine.connect() as opened:
            connection = opened.execution_options(**{WRITE: True, DATASET: EVERY})
            yield Replacement(connection, datasets)
    except (sa.exc.IntegrityError, sa.exc.DataError) as error:
        arguments = getattr(error.orig, "args", None) or (type(error).__name__,)
        raise BackupUnusable(
            f"The database refused a row of the backup ({arguments[-1]}); nothing was changed."
        ) from error


def _add(connection: sa.Connection, shape: Shape, lines: Iterable[bytes]) -> int:
    table, total = _table(shape), 0
    rows = (
        {name: _in(kind, value) for (name, kind), value in zip(shape.columns, values, strict=True)}
        for values in map(json.loads, lines)
    )
    while page := list(islice(rows, _PAGE)):
        connection.execute(sa.insert(table), page)
        total += len(page)
    return total


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
) -> Iterator[Snapshot]:
    """Rows of an older revision, migrated to the current one.

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
        with snapshot(engine) as migrated:
            yield migrated
    finally:
        engine.dispose()
