"""Migrates a database to this version of driftdesk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations

from core.adapters.store.audit import Audit
from core.adapters.store.dataset_columns import ADDED, Changes, added_on_record, planned, subject
from core.adapters.store.engine import WRITE, make_engine, make_file, translated
from core.adapters.store.schema_version import (
    HEAD,
    MIGRATIONS,
    Standing,
    advice,
    recorded,
    standing,
)
from core.adapters.store.tables import data_comp, rows_table
from core.adapters.store.timeouts import CHANGING
from core.domain.dataset import Dataset
from core.domain.errors import DatasetError, SchemaMismatch, StoreBusy
from core.rules.data.training_set import revision

_TOO_WIDE = re.compile("too many columns|row size too large", re.IGNORECASE)
_FOREIGN = (Standing.AHEAD, Standing.UNKNOWN)


def migrate(url: str, dataset: Dataset, actor: str = "migrate") -> Changes:
    """Run the migrations, then create or extend the dataset's table; idempotent.

    `actor` is on record for columns that the dataset file adds.

    Raises:
        StoreUnavailable: the database is unavailable, or its user lacks a right.
        StoreBusy: another process migrates it, or uses the table.
        SchemaMismatch: it is of a newer version of driftdesk, or not ours.
        DatasetError: the file changes the columns of its table otherwise than by adding some.
    """
    make_file(url)
    engine = make_engine(url, CHANGING)
    try:
        with translated(engine), engine.connect() as opened:
            connection = opened.execution_options(**{WRITE: True})
            with _alone(connection):
                upgrade(connection)
                changes = prepare(connection, dataset, actor)
                connection.commit()
    finally:
        engine.dispose()
    return changes


def upgrade(connection: sa.Connection, revision: str = HEAD) -> None:
    """Run the migrations up to a revision, committing each.

    Raises:
        SchemaMismatch: the database is of a newer version of driftdesk, or not ours.
    """
    before = recorded(connection)
    connection.rollback()
    if standing(before) in _FOREIGN:
        raise SchemaMismatch(advice(before))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    connection.commit()


def prepare(connection: sa.Connection, dataset: Dataset, actor: str = "migrate") -> Changes:
    """Create the dataset's table and its view, or add the columns that the dataset file adds.

    The columns go on record before they are added: MySQL commits with each change of a table, and
    whatever a killed run leaves, the next one completes.

    Raises:
        DatasetError: the file changes the columns in another way, or the database holds no table
            that wide.
    """
    changes = planned(connection, dataset)
    table = rows_table(dataset)
    with _width_told(dataset):
        if changes.added:
            _record(connection, dataset, changes, actor)
            operations = Operations(MigrationContext.configure(connection))
            for name in changes.added:
                column = table.c[name]
                operations.add_column(table.name, sa.Column(name, column.type, nullable=True))
        table.metadata.create_all(connection)
    select = data_comp(dataset).compile(connection, compile_kwargs={"literal_binds": True})
    connection.exec_driver_sql("DROP VIEW IF EXISTS data_comp")
    # A driver with % placeholders must not read a literal % as one.
    connection.exec_driver_sql(f"CREATE VIEW data_comp AS {select}".replace("%%", "%"))
    return changes


@contextmanager
def _width_told(dataset: Dataset) -> Iterator[None]:
    try:
        yield
    except sa.exc.OperationalError as error:
        if not _TOO_WIDE.search(str(error.orig)):
            raise
        raise DatasetError(
            f"The dataset {dataset.name} has {len(dataset.columns):,} columns, and this database "
            "holds no table that wide. MySQL and MariaDB take some 80 categories and codes, or "
            "some 1,000 numbers; SQLite takes 2,000 columns. Leave some out of the dataset file."
        ) from error


def _record(connection: sa.Connection, dataset: Dataset, changes: Changes, actor: str) -> None:
    """Put on record which columns are added, and all columns of this revision of the file."""
    if set(changes.added) <= added_on_record(connection, dataset):
        return
    trail = Audit(connection, datetime.now(UTC))
    details = {
        "added": list(changes.added),
        "columns": {c.name: c.type.value for c in dataset.columns},
        "digest": revision(dataset),
    }
    trail.add(actor, ADDED, subject(dataset), details=details)
    trail.flush()


@contextmanager
def _alone(connection: sa.Connection) -> Iterator[None]:
    """Keep other processes from migrating the same database meanwhile.

    SQLite's write lock does it there.

    Raises:
        StoreBusy: another process has been migrating for a minute.
    """
    if connection.dialect.name == "sqlite":
        yield
        return
    name = sa.func.left(sa.func.concat("driftdesk.", sa.func.database()), 64)
    got = connection.execute(sa.select(sa.func.get_lock(name, CHANGING.lock))).scalar()
    if not got:
        raise StoreBusy("Another process migrates this database. Try again when it has ended.")
    try:
        yield
    finally:
        with suppress(sa.exc.SQLAlchemyError):  # the lock ends with the connection
            connection.execute(sa.select(sa.func.release_lock(name)))
