"""The statements that serving runs, through sqlite3 and PyMySQL directly.

SQLAlchemy would cost a second at start and tens of megabytes.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote

import pymysql
import structlog

from core.domain.database_errors import is_not_migrated, is_not_set_up
from core.domain.errors import SettingsError
from core.domain.serving_tables import DATASET, FEEDBACK, PREDICTIONS, REPLICAS, ServingTable
from core.platform.database_url import read_database_url

log = structlog.get_logger()

_CONNECT_SECONDS = 3
_WRITE_SECONDS = 15
"""Timeout of a statement, for locks and the network."""

QUERY_SECONDS = 3
"""Timeout of the small query for decided versions."""

_ERRORS = (sqlite3.Error, pymysql.err.Error, OSError)
_ROW_ERRORS = tuple(
    error
    for driver in (sqlite3, pymysql.err)
    for error in (driver.DataError, driver.IntegrityError, driver.ProgrammingError)
)

Row = tuple[Any, ...]


class DatabaseAway(Exception):
    """The database is unreachable or failed; the operation can be retried."""


class NoSuchTable(DatabaseAway):
    """The table, database or file does not exist: no desk has been set up there."""


class _RowsRejected(DatabaseAway):
    """The database rejects one of these rows, and would again on a retry."""


class _Connected(threading.local):
    """The connection of one thread: sqlite3's belong to the thread that opened them."""

    connection: Any = None


class Database:
    """One connection for each thread, opened on demand and discarded on failure.

    Every method raises `DatabaseAway` if the database is unreachable or fails. The values of a row
    are in the order of its table's columns (`core.domain.serving_tables`).
    """

    def __init__(self, url: str, seconds: int = _WRITE_SECONDS) -> None:
        """`seconds` is the timeout of each statement.

        Raises:
            SettingsError: the URL is invalid.
        """
        try:
            self._url = read_database_url(url)
        except SettingsError as error:
            raise SettingsError(f"DATABASE_URL {error}.") from error
        self._seconds = seconds
        self._mark = "?" if self._url.is_sqlite else "%s"
        self._insert = "INSERT OR IGNORE" if self._url.is_sqlite else "INSERT IGNORE"
        self._here = _Connected()

    def insert(self, predictions: Sequence[Row], feedback: Sequence[Row]) -> int:
        """Insert rows in one transaction, ignoring those whose id exists already.

        Returns the number of rows that the database rejects; they are skipped, so that they do not
        block later ones.
        """
        rows = ((PREDICTIONS, predictions), (FEEDBACK, feedback))
        try:
            self._write(self._insert, *rows)
        except _RowsRejected:
            return sum(self._rejects(table, row) for table, of in rows for row in of)
        return 0

    def _rejects(self, table: ServingTable, row: Row) -> bool:
        try:
            self._write(self._insert, (table, [row]))
        except _RowsRejected as error:
            reason = str(error)
            log.warning("row rejected by the database", table=table.name, id=row[1], reason=reason)
            return True
        return False

    def upsert_replica(self, rows: Sequence[Row]) -> None:
        """Insert or replace the heartbeats of a replica, one for each dataset."""
        self._write("REPLACE", (REPLICAS, rows))

    def delete_replica(self, id_: str, dataset: str = "") -> None:
        """Delete the heartbeats of a replica, or that of one dataset."""
        where, values = f"id = {self._mark}", [id_]
        if dataset:
            where, values = f"{where} AND {DATASET} = {self._mark}", [id_, dataset]
        with self._transaction() as cursor:
            cursor.execute(f"DELETE FROM {REPLICAS.name} WHERE {where}", values)  # noqa: S608 - constants

    def _write(self, verb: str, *rows: tuple[ServingTable, Sequence[Row]]) -> None:
        with self._transaction() as cursor:
            for (name, columns), values in rows:
                if values:
                    marks = ", ".join([self._mark] * len(columns))
                    statement = f"{verb} INTO {name} ({', '.join(columns)}) VALUES ({marks})"
                    cursor.executemany(statement, values)

    def select(self, statement: str, values: Sequence[Any]) -> list[Row]:
        """The rows of a query, in which `{mark}` is the placeholder of a value.

        An idle connection may have been closed by the server, so a failure on one is retried once
        on a new connection.

        Raises:
            NoSuchTable: the table, the database or the file does not exist.
        """
        was_open = self._here.connection is not None
        try:
            return self._select(statement, values)
        except DatabaseAway:
            if not was_open:
                raise
        return self._select(statement, values)

    def _select(self, statement: str, values: Sequence[Any]) -> list[Row]:
        with self._transaction() as cursor:
            cursor.execute(statement.format(mark=self._mark), values)
            return list(cursor.fetchall())

    def close(self) -> None:
        """Close the connection of this thread."""
        connection, self._here.connection = self._here.connection, None
        if connection is not None:
            with suppress(*_ERRORS):  # it may be broken
                connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """A cursor in a transaction that is committed at the end of the block."""
        try:
            connection = self._connect()
            cursor = connection.cursor()
            yield cursor
            connection.commit()
            cursor.close()
        except _ERRORS as error:
            self.close()
            if is_not_set_up(error.args):
                raise NoSuchTable(str(error)) from error
            if isinstance(error, _ROW_ERRORS) and not is_not_migrated(error.args):
                raise _RowsRejected(str(error)) from error
            raise DatabaseAway(str(error)) from error

    def _connect(self) -> Any:
        if self._here.connection is None:
            if self._url.is_sqlite:
                # mode=rw: a missing file is an error, not a new database.
                uri = f"file:{quote(self._url.path)}?mode=rw"
                self._here.connection = sqlite3.connect(uri, timeout=self._seconds, uri=True)
                self._here.connection.execute("PRAGMA synchronous=NORMAL")
            else:
                self._here.connection = pymysql.connect(
                    **self._url.arguments,
                    connect_timeout=_CONNECT_SECONDS,
                    read_timeout=self._seconds,
                    write_timeout=self._seconds,
                )
        return self._here.connection
