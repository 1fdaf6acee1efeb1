"""Bringing a database to the shape that this version of driftdesk needs."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from core.dataset import Dataset
from core.errors import DatasetError
from core.store.engine import WRITE, make_engine, translated
from core.tables import data_comp, rows_table

_MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(url: str, dataset: Dataset) -> None:
    """Run the migrations, then make the dataset's own table and view. Safe to run again.

    Raises:
        StoreUnavailable: the database is away, or we lack a right in it.
        DatasetError: the rows table exists with other columns than the dataset has.
    """
    engine = make_engine(url)
    try:
        with translated(), engine.connect() as opened:
            connection = opened.execution_options(**{WRITE: True})
            config = Config()
            config.set_main_option("script_location", str(_MIGRATIONS))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
            _prepare(connection, dataset)
            connection.commit()
    finally:
        engine.dispose()


def _prepare(connection: sa.Connection, dataset: Dataset) -> None:
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
