"""What can be found out about a database: its kind, its revision, our rights in it, its clock."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from core.errors import Missing
from core.store.engine import WRITE, translated
from core.store.revision import recorded


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """A database as it is; nothing here says whether that is good.

    `charset` is "" and `local_infile` None where the kind of database knows no such thing. `ahead`
    is by how many seconds its clock is before ours, negative if behind. `refused` names the kinds
    of statement that it does not let us run, with what it said.
    """

    kind: str
    version: str
    revision: str
    charset: str
    local_infile: bool | None
    ahead: float
    refused: tuple[tuple[str, str], ...]


def look(engine: sa.Engine) -> DatabaseFacts:
    """Ask a database about itself; what is made for trying is taken away again.

    Raises:
        StoreUnavailable: it is away.
        Missing: it is a file that is not there; looking does not make it.
    """
    if _is_missing(engine):
        raise Missing(f"There is no database at {engine.url.database} yet.")
    with translated(), engine.connect() as connection:
        dialect = connection.dialect
        version = ".".join(str(part) for part in dialect.server_version_info or ())
        revision = recorded(connection)
        connection.rollback()
        if dialect.name == "sqlite":
            return DatabaseFacts("SQLite", version, revision, "", None, 0.0, _tried_file(engine))
        kind = "MariaDB" if getattr(dialect, "is_mariadb", False) else "MySQL"
        before = datetime.now(UTC)
        row = connection.exec_driver_sql(
            "SELECT UTC_TIMESTAMP(6), @@character_set_database, @@local_infile"
        ).one()
        middle = before + (datetime.now(UTC) - before) / 2
        ahead = (row[0].replace(tzinfo=UTC) - middle).total_seconds()
        connection.rollback()
        refused = _tried(connection)
    return DatabaseFacts(kind, version, revision, str(row[1]), bool(row[2]), ahead, refused)


def revision_of(engine: sa.Engine) -> str:
    """The revision that a database says it is at; "" if none, and for a file that is not there.

    Raises:
        StoreUnavailable: it is away.
    """
    if _is_missing(engine):
        return ""
    with translated(), engine.connect() as connection:
        return recorded(connection)


def _is_missing(engine: sa.Engine) -> bool:
    file = engine.url.database
    return engine.dialect.name == "sqlite" and bool(file) and not Path(str(file)).exists()


def _statements(name: str) -> list[tuple[str, str]]:
    """What migrating and working need, in an order in which each has what it works on."""
    return [
        ("CREATE", f"CREATE TABLE {name} (id INTEGER PRIMARY KEY)"),
        ("ALTER", f"ALTER TABLE {name} ADD COLUMN note VARCHAR(10)"),
        ("INDEX", f"CREATE INDEX {name}_note ON {name} (note)"),
        ("INSERT", f"INSERT INTO {name} (id, note) VALUES (1, 'x')"),  # noqa: S608 - our own name
        ("UPDATE", f"UPDATE {name} SET note = 'y' WHERE id = 1"),  # noqa: S608
        ("CREATE VIEW", f"CREATE VIEW {name}_view AS SELECT id FROM {name}"),  # noqa: S608
        ("SELECT", f"SELECT id FROM {name}"),  # noqa: S608
        ("DELETE", f"DELETE FROM {name} WHERE id = 1"),  # noqa: S608
    ]


def _tried(connection: sa.Connection) -> tuple[tuple[str, str], ...]:
    """Try each right on a table of our own, which a server keeps until it is dropped."""
    name = f"driftdesk_doctor_{uuid.uuid4().hex[:12]}"
    # First what takes it away again: without that right nothing may be made.
    if refused := _refused(connection, "DROP", f"DROP TABLE IF EXISTS {name}"):
        return (refused,)
    try:
        return _all_refused(connection, name)
    finally:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}_view")
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")


def _tried_file(engine: sa.Engine) -> tuple[tuple[str, str], ...]:
    """The same in SQLite, where everything that is made here is rolled back."""
    with engine.connect() as opened:
        connection = opened.execution_options(**{WRITE: True})
        try:
            return _all_refused(connection, f"driftdesk_doctor_{uuid.uuid4().hex[:12]}")
        finally:
            connection.rollback()


def _all_refused(connection: sa.Connection, name: str) -> tuple[tuple[str, str], ...]:
    found = []
    for right, statement in _statements(name):
        if refused := _refused(connection, right, statement):
            found.append(refused)
            if right == "CREATE":  # there is nothing to try the others on
                break
    return tuple(found)


def _refused(connection: sa.Connection, right: str, statement: str) -> tuple[str, str] | None:
    run: Callable[[str], object] = connection.exec_driver_sql
    try:
        run(statement)
    except sa.exc.DBAPIError as error:
        arguments = getattr(error.orig, "args", None) or (str(error),)
        return right, str(arguments[-1])
    return None
