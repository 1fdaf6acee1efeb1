"""Bringing a database to the shape that this version of driftdesk needs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from core.dataset import Dataset
from core.errors import DatasetError, SchemaMismatch
from core.store.engine import WRITE, make_engine, translated
from core.store.revision import HEAD, MIGRATIONS, Standing, advice, recorded, standing
from core.tables import data_comp, rows_table

_FOREIGN = (Standing.AHEAD, Standing.UNKNOWN)


def migrate(url: str, dataset: Dataset) -> None:
    """Run the migrations, then make the dataset's own table and view. Safe to run again.

    Raises:
        StoreUnavailable: the database is away, or we lack a right in it.
        SchemaMismatch: it is of a newer version of driftdesk, or not ours.
        DatasetError: the rows table exists with other columns than the dataset has.
    """
    engine = make_engine(url)
    try:
        with translated(), engine.connect() as opened:
            connection = opened.execution_options(**{WRITE: True})
            upgrade(connection)
            prepare(connection, dataset)
            connection.commit()
    finally:
        engine.dispose()


def upgrade(connection: sa.Connection, revision: str = HEAD) -> None:
    """Run the migrations up to a revision, and commit each.

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


def prepare(connection: sa.Connection, dataset: Dataset) -> None:
    """Make the dataset's own table and its view, where they are not there yet.

    Raises:
        DatasetError: the table exists with other columns than the dataset has.
    """
    table = rows_table(dataset)
    inspector = sa.inspect(connection)
    if inspector.has_table(table.name):
        there = {column["name"] for column in inspector.get_columns(table.name)}
        wanted = {column.name for column in table.columns}
        if there != wanted:
            raise DatasetError(
                f"The table {table.name} has other columns than the dataset file: "
                f"{', '.join(sorted(there ^ wanted))}. Give the changed dataset a new name."
            )
    table.metadata.create_all(connection)
    select = data_comp(dataset).compile(connection, compile_kwargs={"literal_binds": True})
    connection.exec_driver_sql("DROP VIEW IF EXISTS data_comp")
    # A driver that formats with % must not take a literal one for a mark.
    connection.exec_driver_sql(f"CREATE VIEW data_comp AS {select}".replace("%%", "%"))
