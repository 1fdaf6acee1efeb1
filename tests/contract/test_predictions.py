"""The prediction log as it is searched: newest first, page by page, never by a scan."""

from __future__ import annotations

import random
import uuid
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from core.adapters.store import Store
from core.adapters.store.predictions import LOOKED_THROUGH, Predictions
from core.adapters.store.tables import metadata, predictions
from core.domain.predictions import LoggedPrediction, Place, Search
from core.domain.serving_tables import FEEDBACK, PREDICTIONS, PROMOTIONS, REPLICAS
from tests import build

COUNT = 5_000


def test_serving_and_the_store_name_the_same_columns() -> None:
    for shared in (PREDICTIONS, FEEDBACK, REPLICAS):
        assert tuple(metadata.tables[shared.name].columns.keys()) == shared.columns
    assert set(PROMOTIONS.columns) <= set(metadata.tables[PROMOTIONS.name].columns.keys())


def fill(store: Store, count: int = COUNT) -> list[dict[str, Any]]:
    """Answers of four versions, ten a second, so that many share a moment."""
    draw = random.Random(7)
    rows = [
        {
            "id": str(uuid.UUID(int=draw.getrandbits(128), version=4)),
            "at": build.NOON + timedelta(seconds=n // 10),
            "model_version": 1 + n * 4 // count,
            "inputs": {"bed": n % 5, "city": f"Town {n % 1000}", "state": None},
            "prediction": float(n),
            "answer": {"low": n - 1.0, "high": n + 1.0} if n % 2 else None,
            "caller": (None, "", "shop", "Ana (console)")[n % 4],
        }
        for n in range(count)
    ]
    with store.engine.begin() as connection:
        connection.execute(sa.insert(predictions), rows)
    return sorted(rows, key=lambda r: (r["at"], r["id"]), reverse=True)


def ids(found: list[LoggedPrediction]) -> list[str]:
    return [p.id for p in found]


def walk(store: Store, search: Search, limit: int = 25) -> list[str]:
    seen: list[str] = []
    before: Place | None = None
    with store.read() as work:
        while True:
            page = work.predictions.search(search, limit, before)
            seen += ids(page.found)
            before = page.older
            if before is None:
                return seen


def test_pages_follow_each_other_without_gap_or_repeat(store: Store) -> None:
    rows = fill(store, 500)
    assert walk(store, Search(), 33) == [r["id"] for r in rows]
    with store.read() as work:
        assert ids(work.predictions.latest(10)) == [r["id"] for r in rows[:10]]
        assert work.predictions.search(Search(), 500).older is None
        empty = work.predictions.search(Search(version=99))
    assert (empty.found, empty.older, empty.looked_through) == ([], None, 0)


def test_version_and_time_narrow_the_search(store: Store) -> None:
    rows = fill(store)
    since, until = build.NOON + timedelta(seconds=100), build.NOON + timedelta(seconds=200)
    expected = [r["id"] for r in rows if r["model_version"] == 2 and since <= r["at"] < until]
    assert expected
    assert walk(store, Search(version=2, since=since, until=until), 200) == expected


def test_an_id_is_found_by_its_start(store: Store) -> None:
    rows = fill(store)
    wanted = rows[1234]["id"]
    with store.read() as work:
        assert wanted in ids(work.predictions.search(Search(id_prefix=wanted[:4])).found)
        (found,) = work.predictions.search(Search(id_prefix=wanted)).found
        assert found.id == wanted
        assert work.predictions.search(Search(id_prefix="zzzz")).found == []


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("bed=3", lambda i: i["bed"] == 3),
        ("bed=3.0", lambda i: i["bed"] == 3),
        ("city=town 17", lambda i: i["city"] == "Town 17"),
        ("town 99", lambda i: "Town 99" in i["city"]),
        ("state=", lambda i: True),
        ("bed=x", lambda i: False),
        ("nothing=1", lambda i: False),
    ],
)
def test_a_value_is_found_in_any_field_or_in_one(store: Store, value: str, fits: Any) -> None:
    rows = fill(store)
    expected = [r["id"] for r in rows if fits(r["inputs"])]
    assert walk(store, Search(value=value), 400) == expected


@pytest.mark.parametrize(
    ("caller", "fits"),
    [("shop", {"shop"}), ("ANA", {"Ana (console)"}), ("(console)", {"Ana (console)"}), ("o", {
        "shop", "Ana (console)"}), ("nobody", set())],
)  # fmt: skip
def test_predictions_are_found_by_who_asked(store: Store, caller: str, fits: set[str]) -> None:
    rows = fill(store)
    expected = [r["id"] for r in rows if r["caller"] in fits]
    assert walk(store, Search(caller=caller), 400) == expected
    with store.read() as work:
        page = work.predictions.search(Search(caller=caller, version=2), 1)
    assert {p.caller for p in page.found} <= fits


def test_a_search_by_value_looks_through_a_bounded_number_and_says_where_it_stopped(
    store: Store,
) -> None:
    rows = fill(store)
    with store.read() as work:
        page = work.predictions.search(Search(value="no such town"))
    assert page.found == []
    assert page.looked_through == LOOKED_THROUGH
    assert page.older == Place(rows[LOOKED_THROUGH - 1]["at"], rows[LOOKED_THROUGH - 1]["id"])


@pytest.mark.parametrize(
    "search",
    [
        Search(),
        Search(version=2),
        Search(since=build.NOON, until=build.NOON + timedelta(seconds=60)),
        Search(version=2, since=build.NOON, value="town"),
        Search(caller="shop"),
        Search(id_prefix="0a1b"),
    ],
)
@pytest.mark.parametrize("paged", [False, True])
def test_no_search_scans_or_sorts_the_log(store: Store, search: Search, paged: bool) -> None:  # noqa: FBT001
    fill(store)
    before = Place(build.NOON + timedelta(seconds=300), "8") if paged else None
    asked: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    with store.engine.connect() as connection:
        if connection.dialect.name != "sqlite":
            connection.exec_driver_sql("ANALYZE TABLE predictions")
        sa.event.listen(connection, "before_cursor_execute", note)
        Predictions(connection, build.NOON).search(search, 25, before)
        (question,) = [a for a in asked if a[0].startswith("SELECT")]
        sa.event.remove(connection, "before_cursor_execute", note)
        if connection.dialect.name == "sqlite":
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {question[0]}", question[1])
            said = " ".join(str(row[3]) for row in plan)
            assert "USING INDEX" in said, said
            assert "TEMP B-TREE" not in said, said
        else:
            plan = connection.exec_driver_sql(
                f"EXPLAIN FORMAT=TRADITIONAL {question[0]}", question[1]
            )
            (row,) = [dict(r._mapping) for r in plan]
            assert row["key"] is not None, row
            assert "filesort" not in (row["Extra"] or ""), row
