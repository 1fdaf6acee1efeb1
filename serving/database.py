"""The database as serving sees it: a few statements through the plain drivers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pymysql
import structlog

log = structlog.get_logger()

PREDICTIONS = ("id", "at", "model_version", "inputs", "prediction", "answer")
FEEDBACK = ("id", "prediction_id", "actual", "at", "source")
REPLICAS = ("id", "url", "model_version", "digest", "refused", "started_at", "heard_at")

_BUSY_SECONDS = 10.0
_CONNECT_SECONDS = 3
_ANSWER_SECONDS = 15

_UNPREPARED = {1054, 1146}
"""What MySQL and MariaDB answer where a column or a table is missing: migrating mends that."""

_ROW_ERRORS = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    pymysql.err.DataError,
    pymysql.err.IntegrityError,
    pymysql.err.ProgrammingError,
)

Row = tuple[Any, ...]


class DatabaseAway(Exception):
    """The database did not do what was asked; later it may."""


class _Unfit(Exception):
    """The database will never take one of these rows."""


class Database:
    """One connection, made when it is needed and thrown away when it fails.

    Every verb raises `DatabaseAway` when the database does not answer as it should.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._is_sqlite = self._parts.scheme == "sqlite"
        self._mark = "?" if self._is_sqlite else "%s"
        self._connection: Any = None

    def insert(self, predictions: Sequence[Row], feedback: Sequence[Row]) -> int:
        """Insert rows once each, in one transaction: what is there already is passed over.

        Rows that the database will never take are left out and counted; so one of them cannot
        hold up all that come after it.
        """
        try:
            with self._transaction() as cursor:
                self._insert(cursor, "predictions", PREDICTIONS, predictions)
                self._insert(cursor, "feedback", FEEDBACK, feedback)
        except _Unfit:
            return self._one_by_one(predictions, feedback)
        return 0

    def _one_by_one(self, predictions: Sequence[Row], feedback: Sequence[Row]) -> int:
        rejected = 0
        tables = (("predictions", PREDICTIONS, predictions), ("feedback", FEEDBACK, feedback))
        for table, columns, rows in tables:
            for row in rows:
                try:
                    with self._transaction() as cursor:
                        self._insert(cursor, table, columns, [row])
                except _Unfit as error:
                    rejected += 1
                    log.warning("a record was refused", table=table, id=row[0], reason=str(error))
        return rejected

    def _insert(self, cursor: Any, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        if not rows:
            return
        verb = "INSERT OR IGNORE" if self._is_sqlite else "INSERT IGNORE"
        marks = ", ".join([self._mark] * len(columns))
        cursor.executemany(f"{verb} INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)

    def beat(self, row: Row) -> None:
        """Say that a replica is alive and what it serves, as a row of `REPLICAS`."""
        marks = ", ".join([self._mark] * len(REPLICAS))
        with self._transaction() as cursor:
            cursor.execute(f"REPLACE INTO replicas ({', '.join(REPLICAS)}) VALUES ({marks})", row)  # noqa: S608 - constants

    def forget(self, id_: str) -> None:
        """Say that a replica has gone."""
        with self._transaction() as cursor:
            cursor.execute(f"DELETE FROM replicas WHERE id = {self._mark}", (id_,))  # noqa: S608

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """A cursor whose work is kept when the block ends well."""
        try:
            connection = self._connect()
            cursor = connection.cursor()
            yield cursor
            connection.commit()
            cursor.close()
        except _ROW_ERRORS as error:
            self._drop()
            if error.args and error.args[0] in _UNPREPARED:
                raise DatabaseAway(str(error)) from error
            raise _Unfit(str(error)) from error
        except (sqlite3.Error, pymysql.err.Error, OSError) as error:
            self._drop()
            raise DatabaseAway(str(error)) from error

    def _connect(self) -> Any:
        if self._connection is None:
            if self._is_sqlite:
                # Never made here: a file that is missing is a database that is away.
                uri = f"file:{quote(unquote(self._parts.path[1:]))}?mode=rw"
                self._connection = sqlite3.connect(uri, timeout=_BUSY_SECONDS, uri=True)
                self._connection.execute("PRAGMA synchronous=NORMAL")
            else:
                self._connection = pymysql.connect(
                    host=self._parts.hostname or "127.0.0.1",
                    port=self._parts.port or 3306,
                    user=unquote(self._parts.username or ""),
                    password=unquote(self._parts.password or ""),
                    database=self._parts.path.lstrip("/"),
                    charset="utf8mb4",
                    connect_timeout=_CONNECT_SECONDS,
                    read_timeout=_ANSWER_SECONDS,
                    write_timeout=_ANSWER_SECONDS,
                )
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error, pymysql.err.Error, OSError):  # it was broken already
                connection.close()
