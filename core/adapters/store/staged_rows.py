"""Staging of rows for SQLite while they are read, so that its only write lock is held briefly.

The rows are written from Arrow into an SQLite file that belongs to the job; the transaction copies
them. A copy takes a quarter of the time of inserts with parameters, which would hold the lock.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from core.adapters.store.engine import ATTACHED
from core.adapters.store.stored_values import as_sqlite

_TABLE = "staged"
_LOT = 50_000
"""Rows of one statement; a cancel takes effect between two."""

_PRAGMAS = ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE")
"""The file is read by this job only and discarded after a crash, so it needs no journal or sync."""

_FULL = "disk is full"


@dataclass(frozen=True, slots=True)
class StagedRows:
    """Rows in an SQLite file of the job's own; `count` is their number."""

    path: Path
    count: int


def stage(path: Path, chunks: Iterable[pa.RecordBatch]) -> StagedRows:
    """Write chunks of validated rows, in their order, to a new SQLite file.

    Raises:
        OSError: the disk is full, or the file cannot be written.
    """
    # Imported here because only the workers install it.
    from adbc_driver_manager import Error  # noqa: PLC0415
    from adbc_driver_sqlite.dbapi import connect  # noqa: PLC0415

    path.unlink(missing_ok=True)
    count = 0
    try:
        with connect(str(path)) as connection, connection.cursor() as cursor:
            connection.adbc_connection.set_autocommit(enabled=True)
            for pragma in _PRAGMAS:
                cursor.execute(f"PRAGMA {pragma}").fetchall()
            connection.adbc_connection.set_autocommit(enabled=False)
            for chunk in chunks:
                if chunk.num_rows:
                    cursor.adbc_ingest(_TABLE, as_sqlite(chunk), "append" if count else "create")
                    count += chunk.num_rows
            connection.commit()
    except Error as error:
        number = errno.ENOSPC if _FULL in str(error) else errno.EIO
        raise OSError(number, str(error), str(path)) from error
    return StagedRows(path, count)


def copy(
    connection: sa.Connection, table: sa.Table, epoch: int, batch_id: int, rows: StagedRows
) -> int:
    """Insert staged rows in the current transaction; returns their number."""
    if not rows.count:
        return 0
    quote = connection.dialect.identifier_preparer.quote
    connection.exec_driver_sql("ATTACH ? AS staging", (str(rows.path),))
    connection.info[ATTACHED] = "staging"
    staged = connection.exec_driver_sql(f"SELECT * FROM staging.{_TABLE} LIMIT 0")  # noqa: S608
    names = ", ".join(map(quote, staged.keys()))
    statement = (
        f"INSERT INTO main.{quote(table.name)} (epoch, batch_id, {names}) "  # noqa: S608
        f"SELECT {int(epoch)}, {int(batch_id)}, {names} FROM staging.{_TABLE} "
        "WHERE rowid > ? AND rowid <= ? ORDER BY rowid"
    )
    return sum(
        connection.exec_driver_sql(statement, (start, start + _LOT)).rowcount
        for start in range(0, rows.count, _LOT)
    )
