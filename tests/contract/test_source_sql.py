"""The source `sql`: a table's new rows become batches, from SQLite and from MariaDB."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from core.adapters.store import Store
from core.domain.errors import (
    NothingNew,
    SettingsError,
    SourceRefused,
    SourceUnavailable,
)
from core.domain.sources import Format, SqlSource
from workers.sources import sql, sql_limits
from workers.sources.parquet_spool import ParquetSpool
from workers.sources.port import NOTHING_KNOWN
from workers.sources.sql import Query
from workers.sources.sql_watermark import Watermark, usable
from workers.steps.ingest import known

DAY = datetime(2026, 11, 1, 12)  # noqa: DTZ001 - as databases without zones return times


@pytest.fixture
def warehouse(empty_database: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(empty_database, poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(
            sa.text(
                "CREATE TABLE sales (id INTEGER PRIMARY KEY, at DATETIME, price DECIMAL(12, 2), "
                "town VARCHAR(20))"
            )
        )
        connection.commit()
        yield connection


def sell(warehouse: sa.Connection, first: int, count: int, at: datetime | None) -> None:
    """Rows with equal times."""
    table = sa.table("sales", *map(sa.column, ("id", "at", "price", "town")))
    for n in range(first, first + count):
        time = at.isoformat(" ") if at else None
        values = {"id": n, "at": time, "price": n + 0.5, "town": "Avon"}
        warehouse.execute(sa.insert(table).values(values))
    warehouse.commit()


def query(warehouse: sa.Connection, **options: Any) -> Query:
    url = warehouse.engine.url.render_as_string(hide_password=False)
    return Query(SqlSource("WAREHOUSE_URL", **{"query": "sales", "watermark": "at"} | options), url)


def take(store: Store, made: Query, folder: Path) -> list[int]:
    """The ids of the next batch, which the ledger has afterwards."""
    received = made.fetch(folder / "x.part", known(store), lambda _rows, _announced: None)
    with store.begin() as work:
        work.batches.receive(
            1, received.content_hash, f"e1-{received.content_hash}.parquet", received.size,
            origin=received.origin, written_as=received.format, watermark=received.watermark,
        )  # fmt: skip
        work.commit()
    ids: list[int] = pq.read_table(received.path).column("id").to_pylist()
    return ids


def test_rows_with_equal_times_are_neither_lost_nor_doubled(
    store: Store, warehouse: sa.Connection, tmp_path: Path
) -> None:
    for group in range(5):  # groups of three with equal times, batches of at least four
        sell(warehouse, group * 3, 3, DAY + timedelta(days=group))
    made = query(warehouse, batch_rows=4)
    batches = [take(store, made, tmp_path) for _ in range(2)]
    assert [sorted(ids) for ids in batches] == [list(range(6)), list(range(6, 12))]
    sell(warehouse, 15, 2, DAY + timedelta(days=9))
    assert sorted(take(store, made, tmp_path)) == [12, 13, 14, 15, 16]
    with pytest.raises(NothingNew, match="No row has a at after 2026-11-10"):
        take(store, made, tmp_path)
    assert not (tmp_path / "x.part").exists()


@pytest.mark.parametrize("batch_rows", [1, 2, 3, 6, 7, 100])
def test_every_row_comes_once_whatever_the_size(
    store: Store, warehouse: sa.Connection, tmp_path: Path, batch_rows: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(sql, "_CHUNK_ROWS", 2)
    for group in range(4):
        sell(warehouse, group * 3, 3, DAY + timedelta(seconds=group))
    made, ids = query(warehouse, batch_rows=batch_rows), []
    with pytest.raises(NothingNew):
        while True:
            ids += take(store, made, tmp_path)
    assert sorted(ids) == list(range(12))


def test_a_batch_is_parquet_with_its_origin_and_watermark(
    warehouse: sa.Connection, tmp_path: Path
) -> None:
    sell(warehouse, 1, 2, DAY)
    received = query(warehouse).fetch(tmp_path / "x.part", NOTHING_KNOWN, lambda _r, _a: None)
    table = pq.read_table(received.path)
    assert table.column_names == ["id", "at", "price", "town"]
    assert [float(price) for price in table.column("price").to_pylist()] == [1.5, 2.5]
    assert (received.format, received.suffix) == (Format.PARQUET, ".parquet")
    assert received.origin == "WAREHOUSE_URL: at after the beginning"
    assert received.watermark.split(":")[1] == "2"
    assert list(tmp_path.glob("*.arrow")) == []


def test_a_select_with_a_number_as_watermark(
    store: Store, warehouse: sa.Connection, tmp_path: Path
) -> None:
    sell(warehouse, 1, 3, DAY)
    select = "SELECT id, price, ':x' AS note FROM sales WHERE town LIKE 'A%'"
    made = query(warehouse, query=select, watermark="id", batch_rows=2)
    assert [take(store, made, tmp_path) for _ in range(2)] == [[1, 2], [3]]


def test_a_check_counts_and_moves_nothing(
    store: Store, warehouse: sa.Connection, tmp_path: Path
) -> None:
    sell(warehouse, 1, 3, DAY)
    made = query(warehouse, batch_rows=2)
    for _ in range(2):
        assert made.check(known(store)) == (
            "New rows by at: 3. The next batch has the first 2, and those that share the last "
            "one's value."
        )
    assert query(warehouse).check(known(store)) == (
        "New rows by at: 3. The next batch has all of them."
    )
    take(store, made, tmp_path)
    with pytest.raises(NothingNew):
        made.check(known(store))


def test_rows_without_a_watermark_are_never_part_of_a_batch(
    store: Store, warehouse: sa.Connection, tmp_path: Path
) -> None:
    sell(warehouse, 1, 1, None)
    sell(warehouse, 2, 1, DAY)
    assert take(store, query(warehouse), tmp_path) == [2]


def test_rows_that_come_late_are_named_in_the_log(
    store: Store, warehouse: sa.Connection, tmp_path: Path
) -> None:
    sell(warehouse, 1, 2, DAY)
    take(store, query(warehouse), tmp_path)
    sell(warehouse, 3, 1, DAY)
    with capture_logs() as lines, pytest.raises(NothingNew):
        take(store, query(warehouse), tmp_path)
    assert "they are in no batch" in lines[0]["event"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"watermark": "updated"}, "refuses the query of .*updated"),
        ({"query": "nothing_here"}, "refuses the query of .*nothing_here"),
        ({"query": "SELECT id FROM sales"}, "(no column at|refuses the query)"),
        ({"watermark": "town"}, "contains the text 'Avon', and a watermark of text must be a time"),
    ],
)
def test_a_query_that_cannot_be_used_is_named(
    warehouse: sa.Connection, tmp_path: Path, options: dict[str, str], complaint: str
) -> None:
    sell(warehouse, 1, 2, DAY)
    with pytest.raises(SourceRefused, match=complaint):
        query(warehouse, **options).fetch(tmp_path / "x.part", NOTHING_KNOWN, lambda _r, _a: None)
    assert list(tmp_path.glob("x*")) == []


def test_a_name_that_comes_twice_is_named(warehouse: sa.Connection) -> None:
    with pytest.raises(SourceRefused, match="returns id twice; give each column a name"):
        query(warehouse)._place(["id", "at", "id"])


def test_too_many_equal_values_are_named(
    warehouse: sa.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "_MOST_TIES", 3)
    sell(warehouse, 1, 9, DAY)
    made = query(warehouse, batch_rows=2)
    with pytest.raises(SourceRefused, match="More than 3 rows share the at 2026-11-01"):
        made.fetch(tmp_path / "x.part", NOTHING_KNOWN, lambda _r, _a: None)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("mysql+pymysql://me:topsecret@127.0.0.1:1/x", "cannot be reached"),
        ("nosuch://me:topsecret@host/x", "no dialect"),
        ("topsecret", "is no SQLAlchemy URL"),
        ("oracle://me:topsecret@host/x", "driver of WAREHOUSE_URL is not installed"),
    ],
)
def test_a_url_that_cannot_be_used_is_named_without_its_password(
    tmp_path: Path, url: str, complaint: str
) -> None:
    source = SqlSource("WAREHOUSE_URL", "sales", "at")
    with pytest.raises((SourceRefused, SourceUnavailable), match=complaint) as raised:
        Query(source, url).fetch(tmp_path / "x.part", NOTHING_KNOWN, lambda _r, _a: None)
    assert "topsecret" not in str(raised.value)


@pytest.mark.parametrize("hangs_in", ["connect", "execute"])
def test_a_driver_without_limits_is_given_up_too(
    warehouse: sa.Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hangs_in: str
) -> None:
    """A driver that neither returns nor can be interrupted, while connecting or answering."""
    made, over = query(warehouse), threading.Event()

    def hang(*_: Any, **__: Any) -> None:
        over.wait()

    if hangs_in == "connect":
        sa.event.listen(made._engine, "do_connect", hang)
    else:
        sa.event.listen(made._engine, "before_cursor_execute", hang)
    monkeypatch.setattr(sql_limits, "MOST_SECONDS", 0.2)
    try:
        for ask in (
            lambda: made.fetch(tmp_path / "x.part", NOTHING_KNOWN, lambda _size, _total: None),
            lambda: made.check(NOTHING_KNOWN),
        ):
            with pytest.raises(SourceUnavailable, match=r"did not answer within 0\.2"):
                ask()
    finally:
        over.set()
    assert list(tmp_path.glob("*.part")) == []


def test_the_url_comes_from_the_setting_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SqlSource("WAREHOUSE_URL", "sales", "at")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="WAREHOUSE_URL is not set, which the dataset file's"):
        Query.of(source)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/warehouse_url").write_text(f"sqlite:///{tmp_path / 'w.db'}\n")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "secrets"))
    assert Query.of(source)


@pytest.mark.parametrize(
    "value",
    [7, Decimal("7.50"), DAY, DAY.replace(tzinfo=UTC, microsecond=5), date(2026, 1, 2),
     "2026-11-28 12:00:00.5"],
)  # fmt: skip
def test_a_watermark_is_read_back_as_it_was(value: Any) -> None:
    assert Watermark.of(str(Watermark(usable("at", value), 3))) == Watermark(value, 3)


@pytest.mark.parametrize("value", [True, 1.5, None, b"x", "straße", ""])
def test_other_values_are_no_watermark(value: Any) -> None:
    with pytest.raises(SourceRefused, match="watermark"):
        usable("at", value)


def test_columns_whose_types_differ_between_chunks_are_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.part"
    with closing(path.open("wb")):
        spool = ParquetSpool(path, ["empty", "number", "mixed", "huge", "odd"])
    spool.add([(None, None, 1, 2**70, b"\xff"), (None, 1, 2, 1, None)])
    spool.add([(None, 2.5, "a", None, [1]), (None, None, DAY, None, timedelta(1))])
    spool.write()
    spool.discard()
    table = pq.read_table(path)
    assert table.schema.field("number").type == pa.float64()
    assert table.column("number").to_pylist() == [None, 1.0, 2.5, None]
    assert table.column("mixed").to_pylist() == ["1", "2", "a", "2026-11-01 12:00:00"]
    assert table.column("huge").to_pylist() == [str(2**70), "1", None, None]
    assert table.column("empty").null_count == 4
    assert [p.name for p in tmp_path.iterdir()] == ["x.part"]
