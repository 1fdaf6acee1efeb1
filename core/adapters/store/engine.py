"""Engines of the supported databases, and the translation of their errors."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry

from core.adapters.store.lock_holder import write_lock_holder
from core.adapters.store.schema_version import advice
from core.adapters.store.scope import watch
from core.adapters.store.timeouts import WORKING, Timeouts
from core.domain.database_errors import is_not_migrated
from core.domain.errors import DeskMissing, SchemaMismatch, StoreBusy, StoreUnavailable
from core.platform.database_url import MYSQL, SQLITE, read_database_url

WRITE = "driftdesk_write"
"""Execution option that marks a writing transaction."""

ATTACHED = "driftdesk_attached"
"""Key of a connection's `info`: the name of an SQLite file attached for one transaction."""

_HELD = {1205, 1213}
"""Error codes of MySQL and MariaDB for a lock wait timeout and a deadlock."""

_LOCKED = "database is locked"
"""SQLite's message for a lock timeout."""

_FULL = {1021, 1114}
"""Error codes of MySQL and MariaDB for a full disk and a full table."""

_FULL_WORDS = ("database or disk is full", "No space left on device")
"""What SQLite says of a full disk, and what is in MySQL's and MariaDB's other errors about it."""

_UNTOLD_IDLE = 120
"""The least idle timeout on MySQL, which cannot tell writing from reading transactions.

A job may work on what it has read for longer than a lease before it reads on.
"""


def make_engine(url: str, timeouts: Timeouts = WORKING) -> sa.Engine:
    """A configured engine; it connects on first use. `timeouts` has its timeouts.

    MySQL: READ COMMITTED, utf8mb4, LOCAL INFILE allowed from this side. SQLite: WAL, and a
    transaction that will write takes the write lock at its start, so that it can never fail
    half-way because another one wrote meanwhile. Statements on tables of datasets need a connection
    that was opened for one, or for all: see `core.adapters.store.scope`.
    """
    read = read_database_url(url)
    if read.is_sqlite:
        engine = sa.create_engine(
            sa.URL.create(SQLITE, database=read.path),
            hide_parameters=True,
            pool_timeout=timeouts.connect,
            connect_args={"timeout": timeouts.lock},
        )
        event.listen(engine, "do_connect", _connect_sqlite)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        event.listen(engine, "checkin", _detach)
        watch(engine)
        return engine
    engine = sa.create_engine(
        sa.URL.create(
            MYSQL,
            read.user or None,
            read.password or None,
            read.host or None,
            read.port or None,
            read.database,
        ),
        hide_parameters=True,  # rows and reasons must not be in logs and error messages
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_recycle=1800,
        pool_timeout=timeouts.connect,
        connect_args=read.arguments
        | {
            "connect_timeout": timeouts.connect,
            "read_timeout": timeouts.answer,
            "write_timeout": timeouts.answer,
            "local_infile": True,
        },
    )
    event.listen(engine, "do_connect", _connect_mysql)
    watch(engine)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        _prepare_server(connection, timeouts)

    return engine


def make_file(url: str) -> None:
    """Create the empty file of a new SQLite database; migrating fills it."""
    read = read_database_url(url)
    if read.is_sqlite:
        path = Path(read.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _connect_sqlite(
    dialect: sa.Dialect, _record: object, args: tuple[str, ...], arguments: dict[str, Any]
) -> Any:
    """Open an existing file; SQLite by itself would create one.

    Raises:
        DeskMissing: it does not exist.
    """
    path = Path(args[0]).absolute()
    if not path.exists():
        raise DeskMissing(
            f"No desk is found at {path}. Start it with `make run`, run this in the project's "
            "folder, or set DATA_DIR or DATABASE_URL."
        )
    return dialect.connect(f"file:{quote(str(path))}?mode=rw", uri=True, **arguments)


def _connect_mysql(
    dialect: sa.Dialect, _record: object, args: list[Any], arguments: dict[str, Any]
) -> Any:
    """Connect; an unreadable certificate becomes an error of the driver."""
    import pymysql  # noqa: PLC0415 - not on SQLite

    try:
        return dialect.connect(*args, **arguments)
    except OSError as error:  # PyMySQL reads the files of `ssl` before it translates errors
        raise pymysql.err.OperationalError(
            2026, f"cannot use the certificates that DATABASE_URL names: {error}"
        ) from error


def _prepare_server(connection: Any, timeouts: Timeouts) -> None:
    """Set the session's timeouts on a MySQL or MariaDB server."""
    limits = {"innodb_lock_wait_timeout": timeouts.lock, "lock_wait_timeout": timeouts.lock}
    if timeouts.idle is not None:
        limits["net_read_timeout"] = timeouts.idle
        if "MariaDB" in connection.get_server_info():
            limits["idle_write_transaction_timeout"] = timeouts.idle
            # A statement that changes no row can lock one, and counts as reading.
            limits["idle_readonly_transaction_timeout"] = 2 * timeouts.idle
        else:
            limits["wait_timeout"] = max(timeouts.idle, _UNTOLD_IDLE)
    settings = ", ".join(f"{name} = {seconds}" for name, seconds in limits.items())
    with connection.cursor() as cursor:
        cursor.execute(f"SET SESSION {settings}")


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions begin explicitly, below
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get(WRITE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _detach(connection: sqlite3.Connection | None, record: ConnectionPoolEntry) -> None:
    """Detach an attached file, which SQLite allows only outside of transactions."""
    if connection is not None and (name := record.info.pop(ATTACHED, None)):
        connection.execute(f"DETACH {name}")


def _drivers_errors() -> tuple[type[Exception], ...]:
    """The errors of the drivers that are imported: a desk on SQLite does without PyMySQL."""
    mysql = sys.modules.get("pymysql")
    if mysql is None:
        return (sqlite3.OperationalError,)
    return sqlite3.OperationalError, mysql.err.OperationalError, mysql.err.InterfaceError


@contextmanager
def _raised_by_sqlalchemy() -> Iterator[None]:
    """Raise SQLAlchemy's error for a driver's that it passes on, as of an isolation level."""
    try:
        yield
    except _drivers_errors() as error:
        raise sa.exc.OperationalError("", {}, error) from error


@contextmanager
def translated(engine: sa.Engine | None = None) -> Iterator[None]:
    """Translate errors of an unavailable, locked or full database, which is that of `engine`.

    Raises:
        StoreBusy: another client holds a lock.
        StoreUnavailable: the statement failed; trying again may help.
    """
    try:
        with _raised_by_sqlalchemy():
            yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
        if _is_unprepared(error):
            raise SchemaMismatch(advice("")) from error
        cause: Any = getattr(error, "orig", None) or error
        arguments: tuple[Any, ...] = getattr(cause, "args", ())
        message = str(arguments[-1] if arguments else cause)
        if is_held(error):
            raise StoreBusy(_who_holds(message, engine)) from error
        if _is_full(arguments, message):
            raise StoreUnavailable(
                f"The disk of the database is full ({message}). Make room there, then try again; "
                "nothing was changed."
            ) from error
        raise StoreUnavailable(
            f"The database did not answer as it should ({message}). Check "
            "DATABASE_URL and the server."
        ) from error
    except sa.exc.ProgrammingError as error:
        if _is_unprepared(error):
            raise SchemaMismatch(advice("")) from error
        raise


@contextmanager
def snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection whose transaction is a consistent snapshot, without locks.

    Raises:
        StoreUnavailable: the database is unavailable.
    """
    with translated(engine), engine.connect() as connection:
        if connection.dialect.name != "sqlite":  # where every transaction is a snapshot
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


def is_held(error: sa.exc.SQLAlchemyError) -> bool:
    """Whether another client held a lock for too long."""
    arguments = getattr(getattr(error, "orig", None), "args", ())
    return bool(arguments and (arguments[0] in _HELD or str(arguments[-1]) == _LOCKED))


def _who_holds(message: str, engine: sa.Engine | None) -> str:
    """Who holds the lock and what to do about it, as far as that is known."""
    file = engine.url.database if engine is not None and engine.dialect.name == "sqlite" else None
    holder = write_lock_holder(file) if file else None
    if holder is None:
        return (
            f"Another process holds what is needed in the database ({message}). Try again; if it "
            "lasts, look for a process that stands still."
        )
    who = f"Another process holds the database's write lock: {holder.pid} ({holder.program})"
    if holder.is_stopped:
        return (
            f"{who}. It is stopped. Continue it with `kill -CONT {holder.pid}`, or end it with "
            f"`kill -KILL {holder.pid}`, which takes back its transaction; then try again."
        )
    return f"{who}. Try again; if it lasts, end that process, which takes back its transaction."


def _is_full(arguments: tuple[Any, ...], message: str) -> bool:
    """Whether the server, or SQLite, has no room left."""
    return bool(arguments and arguments[0] in _FULL) or any(w in message for w in _FULL_WORDS)


def _is_unprepared(error: Exception) -> bool:
    """Whether a table or a column is missing, which migrating fixes."""
    return is_not_migrated(getattr(getattr(error, "orig", None), "args", ()))
