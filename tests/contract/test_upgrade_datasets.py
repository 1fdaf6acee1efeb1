"""Migration 0019 on a database with rows in every table: all are kept and get the dataset."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from core.adapters.store import Store
from core.adapters.store.migrate import migrate, prepare, upgrade
from core.adapters.store.scope import is_scoped
from core.adapters.store.tables import metadata
from core.domain.audit_event import AuditEvent
from core.domain.dataset import Dataset
from core.rules.ops.audit_chain import GENESIS
from tests.build import NOON, small_dataset
from tests.contract.test_upgrade import at, writing
from tests.unit.test_chain import old_link

SCOPED = sorted(table.name for table in metadata.sorted_tables if is_scoped(table))
TEXT = '"ñ"'  # a JSON document, too
EVENTS = 3
LATER: dict[str, dict[str, Any]] = {
    "predictions": {"caller": None},
    "follow_ups": {"cause": None},
}
"""The columns that later migrations add, with the value of rows that are there."""


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return small_dataset()


def value(column: sa.Column[Any], n: int) -> Any:
    """A value for a column of a table that was read from the database."""
    if column.name == "number" or column.name in ("live_key", "open_key"):
        return n
    if isinstance(column.type, sa.DateTime):
        return NOON.replace(tzinfo=None, microsecond=n)
    if isinstance(column.type, sa.String):
        return f'"{n}"' if column.unique or column.primary_key else TEXT
    if isinstance(column.type, sa.JSON):
        return {"n": n}
    return n


@pytest.fixture
def older(empty_database: str, dataset: Dataset) -> str:
    """A database as the version before left it."""
    with writing(empty_database) as connection:
        upgrade(connection, "0018")
        prepare(connection, dataset, views=())
        connection.exec_driver_sql("CREATE VIEW data_comp AS SELECT id FROM drift_reports")
        there = sa.MetaData()
        there.reflect(connection)
        for name in SCOPED:
            if name != "audit":
                table = there.tables[name]
                connection.execute(table.insert(), {c.name: value(c, 1) for c in table.columns})
        trail, before = there.tables["audit"], GENESIS
        for n in range(1, EVENTS + 1):
            event = AuditEvent(n, NOON, "añna", "act", f"job:{n}", "", {})
            before = old_link(before, event)
            row = {c.name: getattr(event, c.name) for c in trail.columns}
            row |= {"at": NOON.replace(tzinfo=None), "hash": before}
            if not isinstance(trail.c.details.type, sa.JSON):
                row["details"] = "{}"
            connection.execute(trail.insert(), row)
        connection.execute(there.tables["audit_head"].update(), {"last_id": EVENTS, "hash": before})
        connection.commit()
    return empty_database


def contents(url: str) -> dict[str, list[dict[str, Any]]]:
    with writing(url) as connection:
        there = sa.MetaData()
        there.reflect(connection)
        return {
            name: [dict(row._mapping) for row in connection.execute(there.tables[name].select())]
            for name in SCOPED
        }


def keys(url: str) -> dict[str, set[tuple[str, tuple[str, ...]]]]:
    """The primary key and the indexes of each table, with their columns in order."""
    with writing(url) as connection:
        of = sa.inspect(connection)
        found = {}
        for name in SCOPED:
            named: list[Any] = [*of.get_indexes(name), *of.get_unique_constraints(name)]
            found[name] = {(str(k["name"]), tuple(k["column_names"])) for k in named}
            found[name].add(("", tuple(of.get_pk_constraint(name)["constrained_columns"])))
        return found


def test_every_row_is_kept_and_belongs_to_the_dataset(older: str, dataset: Dataset) -> None:
    before = contents(older)
    assert [name for name in SCOPED if not before[name]] == []
    migrate(older, dataset)
    after = contents(older)
    for name in SCOPED:
        assert [row.pop("dataset") for row in after[name]] == ["rides"] * len(before[name])
        before[name] = [row | LATER.get(name, {}) for row in before[name]]
    assert after == before


def test_an_upgraded_database_has_the_keys_that_are_declared(older: str, dataset: Dataset) -> None:
    migrate(older, dataset)
    declared = {}
    for name in SCOPED:
        table = metadata.tables[name]
        unique = [c for c in table.constraints if isinstance(c, sa.UniqueConstraint)]
        named: list[Any] = [*table.indexes, *unique]
        declared[name] = {(str(k.name), tuple(c.name for c in k.columns)) for k in named}
        declared[name].add(("", tuple(c.name for c in table.primary_key.columns)))
    assert keys(older) == declared


def test_no_table_takes_a_row_without_a_dataset_after_the_upgrade(
    older: str, dataset: Dataset
) -> None:
    migrate(older, dataset)
    with writing(older) as connection:
        of = sa.inspect(connection)
        defaults = {
            name: column["default"]
            for name in SCOPED for column in of.get_columns(name) if column["name"] == "dataset"
        }  # fmt: skip
    assert defaults == dict.fromkeys(SCOPED)


def test_the_old_trail_holds_and_new_events_follow_it(older: str, dataset: Dataset) -> None:
    migrate(older, dataset)
    store = Store.open(older, dataset)
    with store.transaction() as work:
        assert work.audit.verify() is None
        work.audit.add("ana", "act", "job:9")
    with store.read() as work:
        assert work.audit.verify() is None
        assert [event.id for event in work.audit.latest()] == [4, 3, 2, 1]
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE audit SET dataset = 'cars' WHERE id = 4")
    with store.read() as work:
        found = work.audit.verify()
    store.close()
    assert found
    assert found.event_id == EVENTS + 1


def test_an_upgrade_that_was_killed_at_its_end_is_done_again(older: str, dataset: Dataset) -> None:
    migrate(older, dataset)
    done = contents(older), keys(older)
    at(older, "0018")
    migrate(older, dataset)
    assert (contents(older), keys(older)) == done


def test_rows_are_given_to_no_dataset_that_nobody_named(older: str) -> None:
    with writing(older) as connection, pytest.raises(ValueError, match="say to which"):
        upgrade(connection)


def test_the_rows_belong_to_the_dataset_whose_table_is_there(older: str, dataset: Dataset) -> None:
    first = replace(dataset, name="cars")
    migrate(older, [first, dataset])
    assert {row["dataset"] for row in contents(older)["batches"]} == {"rides"}
