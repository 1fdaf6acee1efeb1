"""Engines for the databases that are supported, and their errors in our words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from core.errors import StoreUnavailable

WRITE = "driftdesk_write"
"""Execution option that marks a transaction which will write."""

_PREPARE = (
    "The database is not prepared for this version of driftdesk. Run `python -m workers migrate`, "
    "then try again."
)
_MISSING = {1054, 1146}
"""What MySQL and MariaDB answer where a column or a table is missing."""

_CONNECT_SECONDS = 5
_BUSY_SECONDS = 60


def make_engine(url: str) -> sa.Engine:
    """An engine that follows our rules on the given database; it connects on first use.

    MySQL: READ COMMITTED, utf8mb4, LOCAL INFILE allowed from this side. SQLite: WAL, and a
    transaction that will write takes the write lock at its start, so that it can never fail
    half-way because another one wrote meanwhile.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(
            parsed, hide_parameters=True, connect_args={"timeout": _BUSY_SECONDS}
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return sa.create_engine(
        parsed,
        hide_parameters=True,  # rows and reasons belong in no log and no error message
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={
            "charset": "utf8mb4",
            "connect_timeout": _CONNECT_SECONDS,
            "local_infile": True,
        },
    )


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, below
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get(WRITE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def translated() -> Iterator[None]:
    """Turn what a database says when it is away, locked or full into `StoreUnavailable`.

    Raises:
        StoreUnavailable: the database did not do what was asked for; trying again may help.
    """
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
        if _is_unprepared(error):
            raise StoreUnavailable(_PREPARE) from error
        cause: Any = getattr(error, "orig", None) or error
        said = str(cause.args[-1] if getattr(cause, "args", None) else cause)
        raise StoreUnavailable(
            f"The database did not answer as it should ({said}). Check DATABASE_URL and the server."
        ) from error
    except sa.exc.ProgrammingError as error:
        if _is_unprepared(error):
            raise StoreUnavailable(_PREPARE) from error
        raise


def _is_unprepared(error: Exception) -> bool:
    """Whether a table or a column is missing, which migrating mends."""
    cause = getattr(error, "orig", None)
    arguments: tuple[Any, ...] = getattr(cause, "args", ())
    said = str(arguments[-1]) if arguments else ""
    return said.startswith(("no such table", "no such column")) or (
        bool(arguments) and arguments[0] in _MISSING
    )
