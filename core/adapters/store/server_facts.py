"""Diagnostics of a database: kind, revision, rights, clock."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from core.adapters.store.engine import WRITE, is_held, translated
from core.adapters.store.schema_version import recorded
from core.domain.errors import Missing


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """Facts about a database.

    `charset` is "" and `local_infile` None for SQLite, which has neither. `ahead` is how many
    seconds its clock is ahead of this machine's, negative if behind. `refused` has the kinds of
    statement that this user may not run, each with the database's message.
    """

    kind: str
    version: str
    revision: str
    charset: str
    local_infile: bool | None
    ahead: float
    refused: tuple[tuple[str, str], ...]


def look(engine: sa.Engine) -> DatabaseFacts:
    """Query a database; test objects are deleted again.

    Raises:
        StoreUnavailable: it is unavailable.
        Missing: the SQLite file does not exist; it is not created.
    """
    if _is_missing(engine):
        raise Missing(f"There is no database at {Path(str(engine.url.database)).absolute()} yet.")
    with translated(engine), engine.connect() as connection:
        dialect = connection.dialect
        version = ".".join(str(part) for part in dialect.server_version_info or ())
        revision = recorded(connection)
        connection.rollback()
        if dialect.name == "sqlite":
            refused = _refusals(connection.execution_options(**{WRITE: True}))
            return DatabaseFacts("SQLite", version, revision, "", None, 0.0, refused)
        kind = "MariaDB" if getattr(dialect, "is_mariadb", False) else "MySQL"
        before = datetime.now(UTC)
        row = connection.exec_driver_sql(
            "SELECT UTC_TIMESTAMP(6), @@character_set_database, @@local_infile"
        ).one()
        middle = before + (datetime.now(UTC) - before) / 2
        ahead = (row[0].replace(tzinfo=UTC) - middle).total_seconds()
        connection.rollback()
        refused = _refusals(connection)
    return DatabaseFacts(kind, version, revision, str(row[1]), bool(row[2]), ahead, refused)


def revision_of(engine: sa.Engine) -> str:
    """The recorded revision; "" if none, or for a missing file.

    Raises:
        StoreUnavailable: it is unavailable.
    """
    if _is_missing(engine):
        return ""
    with translated(engine), engine.connect() as connection:
        return recorded(connection)


def rows_tables(engine: sa.Engine) -> dict[str, list[str]]:
    """The columns of every dataset's rows table, by the table's name.

    Raises:
        StoreUnavailable: the database is unavailable.
    """
    if _is_missing(engine):
        return {}
    with translated(engine), engine.connect() as connection:
        inspector = sa.inspect(connection)
        names = [n for n in inspector.get_table_names() if n.startswith("rows_")]
        return {n: [str(c["name"]) for c in inspector.get_columns(n)] for n in names}


def _is_missing(engine: sa.Engine) -> bool:
    file = engine.url.database
    return engine.dialect.name == "sqlite" and bool(file) and not Path(str(file)).exists()


def _statements(name: str) -> list[tuple[str, str]]:
    """Statements for the rights that migrating and working need, in order of dependency."""
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


def _refusals(connection: sa.Connection) -> tuple[tuple[str, str], ...]:
    """Test each right on a temporary table of our own, which is deleted again."""
    name = f"driftdesk_doctor_{uuid.uuid4().hex[:12]}"
    # DROP first: without that right nothing may be created.
    if refused := _refused(connection, "DROP", f"DROP TABLE IF EXISTS {name}"):
        return (refused,)
    refusals = []
    try:
        for right, statement in _statements(name):
            if refused := _refused(connection, right, statement):
                refusals.append(refused)
                if right == "CREATE":  # the other statements need the table
                    break
    finally:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}_view")
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")
        connection.rollback()
    return tuple(refusals)


def _refused(connection: sa.Connection, right: str, statement: str) -> tuple[str, str] | None:
    try:
        connection.exec_driver_sql(statement)
    except sa.exc.DBAPIError as error:
        if is_held(error):  # not a matter of rights
            raise
        arguments = getattr(error.orig, "args", None) or (str(error),)
        return right, str(arguments[-1])
    return None
