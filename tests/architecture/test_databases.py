"""A database that a test gets is as the migrations leave it, whatever the test before did."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from core.adapters.store import Store
from core.adapters.store.migrate import migrate
from core.domain.dataset import Dataset
from tests.build import stored_batch
from tests.databases import Pool, drop_databases, fresh_database, migrated, shape


def run(url: str, statement: str) -> list[tuple[object, ...]]:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        found = connection.exec_driver_sql(statement)
        rows = [tuple(row) for row in found] if found.returns_rows else []
    engine.dispose()
    return rows


def test_a_copy_has_what_the_migrations_make(mariadb: str, dataset: Dataset) -> None:
    shapes, versions = [], []
    for make in (migrate, migrated):
        url = fresh_database(mariadb)
        make(url, dataset)
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            shapes.append(shape(connection))
        engine.dispose()
        versions.append(run(url, "SELECT * FROM alembic_version"))
        run(url, "SELECT * FROM data_comp")
    drop_databases(mariadb)
    assert shapes[0] == shapes[1]
    assert versions[0] == versions[1]


@pytest.mark.parametrize(
    "left",
    ["DROP TABLE feedback", "ALTER TABLE jobs ADD COLUMN more INT", "DROP VIEW data_comp",
     "ALTER TABLE jobs MODIFY kind VARCHAR(9)"],
)  # fmt: skip
def test_an_altered_database_is_not_used_again(mariadb: str, dataset: Dataset, left: str) -> None:
    pool = Pool(mariadb, dataset)
    before = pool.take()
    run(before, left)
    assert pool.take() != before
    pool.close()


def test_rows_locks_and_numbers_are_gone(mariadb: str, dataset: Dataset) -> None:
    pool = Pool(mariadb, dataset)
    store = Store.open(pool.take(), dataset)
    stored_batch(store)
    engine = sa.create_engine(store.engine.url)
    holder = engine.connect()
    holder.exec_driver_sql("SELECT * FROM batches FOR UPDATE")
    store.close()
    store = Store.open(pool.take(), dataset)
    assert store.engine.url == engine.url
    assert stored_batch(store).id == 1
    store.close()
    holder.invalidate()
    holder.close()
    engine.dispose()
    pool.close()
