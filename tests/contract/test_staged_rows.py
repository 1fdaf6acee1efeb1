"""Rows that go through a file of the job's own on their way into SQLite arrive unchanged."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from core.adapters.store import Store
from core.adapters.store import staged_rows as module
from core.adapters.store.rows import arrow_schema
from core.adapters.store.staged_rows import StagedRows, stage
from core.domain.batches import BatchState
from core.domain.dataset import Dataset
from core.domain.jobs import JobState
from tests import build
from tests.answers import NextAnswers, batch_body, whole
from tests.databases import migrated
from tests.work import ingest

EVERY_TYPE = [
    {"name": "amount", "type": "number", "role": "target", "nullable": False},
    {"name": "order", "type": "category", "role": "feature"},
    {"name": "group", "type": "code", "width": 3, "role": "feature"},
    {"name": "day", "type": "date", "role": "feature"},
    {"name": "at", "type": "timestamp", "role": "feature"},
    {"name": "is_new", "type": "boolean", "role": "feature"},
]


def lots(schema: pa.Schema) -> list[pa.RecordBatch]:
    """A lot whose optional values are all null, an empty one, and one with what is hard to keep."""
    nulls: list[Any] = [None] * 5
    hard = [
        [-0.0, "", "007", date(1, 1, 1), datetime(1, 1, 1, tzinfo=UTC), True],
        [1e-308, "a\x00b'\"\n,", "000", date(9999, 12, 31), None, False],
        [1 / 3, "\U0001f600", None, None, datetime(2026, 3, 1, 0, 0, 0, 5, UTC), None],
    ]
    rows = [[1.0, *nulls, 0, 0]], [], [[*row, n + 1, n % 2] for n, row in enumerate(hard)]
    return [
        pa.RecordBatch.from_pylist(
            [dict(zip(schema.names, row, strict=True)) for row in lot], schema
        )
        for lot in rows
    ]


def test_staged_rows_are_those_that_inserts_store(tmp_path: Path) -> None:
    dataset = build.small_dataset(columns=EVERY_TYPE)
    sent = lots(arrow_schema(dataset))
    url = f"sqlite:///{tmp_path / 'store.db'}"
    migrated(url, dataset)
    store = Store.open(url, dataset)
    path = tmp_path / "rows"
    path.write_bytes(b"what a killed attempt left")
    with store.transaction() as work:
        assert work.rows.load(1, 1, sent) == 4
    rows = store.prepared(path, iter(sent))
    assert isinstance(rows, StagedRows)
    with store.transaction() as work:
        assert work.rows.load(1, 2, rows) == 4
    path.unlink()
    with store.read() as work:
        inserted, copied = (list(work.rows.stream(batch_id=n)) for n in (1, 2))
    whole_rows = pa.Table.from_batches(copied).drop(["batch_id"])
    assert whole_rows.equals(pa.Table.from_batches(inserted).drop(["batch_id"]))
    assert whole_rows.equals(pa.Table.from_batches(sent))
    assert {f.name for f in tmp_path.iterdir()} <= {"store.db", "store.db-wal", "store.db-shm"}
    store.close()


def test_lots_of_one_statement_leave_no_row_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOT", 3)
    dataset = build.small_dataset()
    url = f"sqlite:///{tmp_path / 'store.db'}"
    migrated(url, dataset)
    store = Store.open(url, dataset)
    rows = stage(tmp_path / "rows", [build.chunk(dataset, 4), build.chunk(dataset, 4)])
    with store.transaction() as work:
        assert work.rows.load(1, 1, rows) == 8
        assert work.rows.load(1, 2, stage(tmp_path / "none", [])) == 0
    with store.transaction() as work:  # the file of another job is no hindrance
        assert work.rows.load(1, 2, rows) == 8
    store.close()


def test_a_disk_that_is_full_while_rows_are_staged_is_told_and_costs_no_row(
    tmp_path: Path, api: NextAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset: Dataset = build.small_dataset()
    url = f"sqlite:///{tmp_path / 'store.db'}"
    migrated(url, dataset)
    store = Store.open(url, dataset)
    spool = tmp_path / "spool"
    row = {"rides": 97, "temperature": 9.5, "weather": "rain", "station": 12}
    api.put(whole(batch_body(0, [row] * 5_000)))
    with monkeypatch.context() as patch:
        patch.setattr(module, "_PRAGMAS", (*module._PRAGMAS, "max_page_count=4"))
        job = ingest(store, api.url, spool)
    assert job.state is JobState.FAILED
    assert "The disk is full" in job.error
    assert "the batch was not stored and waits" in job.error
    assert [f.suffix for f in spool.iterdir()] == [".json"]
    with store.read() as work:
        (waiting,) = work.batches.ledger()
    assert waiting.state is BatchState.RECEIVED
    assert ingest(store, api.url, spool).result.stored == 5_000
    store.close()
