"""Migrates a database to this version of driftdesk."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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
    require,
    standing,
)
from core.adapters.store.scope import DATASET, EVERY
from core.adapters.store.tables import data_comp, rows_table
from core.adapters.store.timeouts import CHANGING
from core.domain.dataset import Dataset
from core.domain.errors import DatasetError, SchemaMismatch, StoreBusy
from core.rules.data.training_set import revision

MANY = "0019"
"""The revision since which a database may have several datasets."""

VIEW = "data_comp"
"""The view of the only dataset, or of the first one; where there are several, each has its own,
with its name after this one."""

_TOO_WIDE = re.compile("too many columns|row size too large", re.IGNORECASE)
_FOREIGN = (Standing.AHEAD, Standing.UNKNOWN)


def migrate(
    url: str, datasets: Sequence[Dataset] | Dataset, actor: str = "migrate"
) -> list[Changes]:
    """Run the migrations, then create or extend the table of each dataset; idempotent.

    The rows of a database from before there could be several belong to the one whose table is
    there. `actor` is on record for columns that a dataset file adds.

    Raises:
        StoreUnavailable: the database is unavailable, or its user lacks a right.
        StoreBusy: another process migrates it, or uses the table.
        SchemaMismatch: it is of a newer version of driftdesk, or not ours.
        DatasetError: a file changes the columns of its table otherwise than by adding some, or
            the rows that are there could belong to several of the datasets.
    """
    make_file(url)
    return _changed(url, _listed(datasets), actor, upgrading=True)


def prepare_dataset(
    url: str, datasets: Sequence[Dataset] | Dataset, actor: str = "migrate"
) -> list[Changes]:
    """As `migrate`, for a database that fits: the tables and views of these datasets alone.

    Raises:
        StoreUnavailable, StoreBusy, DatasetError: see `migrate`.
        SchemaMismatch: the database must be migrated first.
    """
    return _changed(url, _listed(datasets), actor, upgrading=False)


def _listed(datasets: Sequence[Dataset] | Dataset) -> list[Dataset]:
    return [datasets] if isinstance(datasets, Dataset) else list(datasets)


def _changed(url: str, datasets: list[Dataset], actor: str, *, upgrading: bool) -> list[Changes]:
    engine = make_engine(url, CHANGING)
    try:
        with translated(engine), engine.connect() as opened:
            connection = opened.execution_options(**{WRITE: True, DATASET: EVERY})
            with _alone(connection):
                if upgrading:
                    upgrade(connection, dataset=_owner(connection, datasets))
                else:
                    require(connection)
                only = upgrading and len(datasets) == 1
                changes = [
                    prepare(connection, d, actor, [VIEW] if only else [f"{VIEW}_{d.name}"])
                    for d in datasets
                ]
                if upgrading and not only and datasets:
                    prepare(connection, datasets[0], actor)
                connection.commit()
    finally:
        engine.dispose()
    return changes


def _owner(connection: sa.Connection, datasets: list[Dataset]) -> str:
    """The dataset of the rows in a database from before there could be several; "" if it has none.

    Raises:
        DatasetError: several of them have a table there.
    """
    if recorded(connection) >= MANY or not datasets:
        connection.rollback()
        return ""
    tables = set(sa.inspect(connection).get_table_names())
    connection.rollback()
    owners = [d.name for d in datasets if d.rows_table in tables]
    if len(owners) > 1:
        raise DatasetError(
            f"The rows of this database could belong to {' or '.join(owners)}. Migrate it once "
            "with DATASET, the file of the dataset that this desk had, and then with DATASETS."
        )
    return owners[0] if owners else datasets[0].name


def upgrade(connection: sa.Connection, revision: str = HEAD, *, dataset: str = "") -> None:
    """Run the migrations up to a revision, committing each.

    `dataset` is the one of the rows of a database from before there could be several.

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
    config.attributes["dataset"] = dataset
    command.upgrade(config, revision)
    connection.commit()


def prepare(
    connection: sa.Connection,
    dataset: Dataset,
    actor: str = "migrate",
    views: Sequence[str] = (VIEW,),
) -> Changes:
    """Create the dataset's table and its views, or add the columns that the dataset file adds.

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
    for view in views:
        select = data_comp(dataset).compile(connection, compile_kwargs={"literal_binds": True})
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {view}")
        # A driver with % placeholders must not read a literal % as one.
        connection.exec_driver_sql(f"CREATE VIEW {view} AS {select}".replace("%%", "%"))
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
    trail = Audit(connection, datetime.now(UTC), dataset=dataset.name)
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
