"""Rows read in bulk are those that SQLAlchemy reads one by one, on both databases."""

from __future__ import annotations

import datetime as dt
import math
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.adapters.store import Store, column_scan
from core.domain.dataset import ColumnType, Dataset
from core.domain.errors import StoreUnavailable
from core.rules.data.typed_values import LONGEST_TEXT
from tests.build import chunk, small_dataset
from tests.databases import migrated

DAY = dt.date(1970, 1, 1)
NUMBERS = [None, 0.0, -0.0, 1.0, 0.1, -1 / 3, 2.0**53 + 2, 1e22, 1e23, 123456789.123456789,
           sys.float_info.max, -sys.float_info.max, sys.float_info.min, 5e-324, math.pi * 1e-300,
           9007199254740993.0, 1e15 + 0.3]  # fmt: skip
TEXTS = [None, "", " ", '"', '""', '","', ",", "\n", "\r\n", "a\rb", "a\n", "\\N", "\\", "NULL",
         "null", "NaN", "nan", "1", "true", "\x00", "a\x00b", "\ufeffx", "ß", "🏠", "日本",
         "e\u0301", "\u00e9", "A", "a", "a ", "x" * LONGEST_TEXT, '"' * LONGEST_TEXT]  # fmt: skip
DAYS = [None, DAY, dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(1900, 2, 28)]
TIMES = [None, dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
         dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC),
         dt.datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC),
         dt.datetime(1000, 1, 1, 0, 0, 0, 1, tzinfo=dt.UTC)]  # fmt: skip
FLAGS = [None, True, False]


@pytest.fixture
def mixed() -> Dataset:
    kinds = ["number", "number", "category", "code", "date", "timestamp", "boolean"]
    columns: list[dict[str, Any]] = [
        {"name": f"c{n}", "type": kind, "role": "feature"} for n, kind in enumerate(kinds)
    ]
    columns[0]["role"] = "target"
    return small_dataset(name="mixed", columns=columns)


@pytest.fixture
def store(empty_database: str, mixed: Dataset) -> Iterator[Store]:
    migrated(empty_database, mixed)
    opened = Store.open(empty_database, mixed)
    yield opened
    opened.close()


def one_by_one(kind: ColumnType, values: Sequence[Any]) -> NDArray[Any]:
    """What models learn from, of values as SQLAlchemy reads them."""
    nan = math.nan
    if kind is ColumnType.NUMBER:
        return np.array([nan if v is None else v for v in values], dtype=np.float64)
    if kind is ColumnType.DATE:
        return np.array([nan if v is None else (v - DAY).days for v in values], dtype=np.float64)
    if kind is ColumnType.TIMESTAMP:
        start = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        micros = [nan if v is None else (v - start) // dt.timedelta(microseconds=1) for v in values]
        return np.array(micros, dtype=np.float64) / 1e6
    if kind is ColumnType.BOOLEAN:
        values = [None if v is None else "true" if v else "false" for v in values]
    return np.array([v or "" for v in values], dtype=object)


def require_equal(store: Store) -> None:
    """Compare what is read in bulk with SQLAlchemy's rows, bit by bit."""
    with store.read() as work:
        table = work.rows.table
        rows = work._connection.execute(sa.select(table).order_by(table.c.id)).mappings().all()
        names = [*store.dataset.names, "batch_id", "row_number", "held_out"]
        read = work.rows.columns(names, held_out=None)
        streamed = pa.Table.from_batches(list(work.rows.stream()), work.rows.schema)
    for column in store.dataset.columns:
        values = [row[column.name] for row in rows]
        wanted = one_by_one(column.type, values)
        assert read[column.name].dtype == wanted.dtype
        if wanted.dtype == object:
            assert read[column.name].tolist() == wanted.tolist()
        else:
            same = read[column.name].view(np.uint64) == wanted.view(np.uint64)
            assert (same | (np.isnan(wanted) & np.isnan(read[column.name]))).all(), column
        assert streamed[column.name].to_pylist() == values
    for name in ("batch_id", "row_number", "held_out"):
        assert read[name].tolist() == [int(row[name]) for row in rows]
        assert streamed[name].to_pylist() == [int(row[name]) for row in rows]


def load(store: Store, **columns: list[Any]) -> None:
    rows = len(next(iter(columns.values())))
    with store.begin() as work:
        epoch = work.batches.epoch() or work.batches.open_epoch()
        work.rows.load(epoch.number, 7, [chunk(store.dataset, rows, **columns)])
        work.commit()


def test_values_that_are_hard_to_carry(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_scan, "_VALUES", 60)  # so that batches end within the rows
    many = max(len(NUMBERS), len(TEXTS))

    def long(values: list[Any]) -> list[Any]:
        return [values[n % len(values)] for n in range(many)]

    load(
        store, c0=long(NUMBERS), c1=long(NUMBERS[::-1]), c2=long(TEXTS), c3=long(TEXTS[::-1]),
        c4=long(DAYS), c5=long(TIMES), c6=long(FLAGS), held_out=long([0, 1, 1]),
    )  # fmt: skip
    require_equal(store)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_values(store: Store, data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 8))
    number = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=True)
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=LONGEST_TEXT)
    first = dt.datetime(1000, 1, 1)  # noqa: DTZ001 - Hypothesis adds the zone

    def column(values: Any) -> list[Any]:
        drawn = st.lists(st.none() | values, min_size=rows, max_size=rows)
        return list(data.draw(drawn))

    times = st.datetimes(first, timezones=st.just(dt.UTC))
    load(
        store, c0=column(number), c1=column(number), c2=column(text), c3=column(text),
        c4=column(st.dates(dt.date(1000, 1, 1))), c5=column(times), c6=column(st.booleans()),
    )  # fmt: skip
    require_equal(store)


def test_equal_texts_are_one_object(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_scan, "_VALUES", 2)
    load(store, c0=[1.0] * 9, c2=["weather"] * 9)
    with store.read() as work:
        texts = work.rows.columns(["c2"], held_out=None)["c2"]
    assert len({id(text) for text in texts}) == 1


def test_a_single_column_of_nulls_has_its_rows(store: Store) -> None:
    load(store, c0=[1.0] * 3, c1=[None] * 3, c2=[None] * 3)
    with store.read() as work:
        assert np.isnan(work.rows.columns(["c1"], held_out=None)["c1"]).tolist() == [True] * 3
        assert work.rows.columns(["c2"], held_out=None)["c2"].tolist() == [""] * 3


def test_a_query_that_is_broken_off_leaves_the_connection_usable(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(column_scan, "_VALUES", 2)
    load(store, c0=[1.0] * 50)
    with store.read() as work:
        chunks = work.rows.chunks(["c0"], held_out=None)
        assert [len(next(chunks)["c0"]) for _ in range(2)] == [0, 2]
        chunks.close()  # type: ignore[attr-defined]
        assert work.rows.count() == 50


def test_a_row_that_the_server_may_not_send_is_an_error() -> None:
    schema = pa.schema([pa.field("a", pa.float64())])
    with pytest.raises(StoreUnavailable, match="Raise max_allowed_packet"):
        column_scan._of_lines([(b"1",), (None,)], schema)
