"""A table's rows through the whole ingest: counted, stored, and neither lost nor doubled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from core.adapters.store import Store
from core.domain.job_results import BatchStored, NoNewBatch
from core.domain.jobs import Job, JobKind, JobState
from core.domain.sources import SqlSource
from tests.work import run_job
from workers.sources.sql import Query
from workers.steps.ingest import Ingest

SOURCE = SqlSource("WAREHOUSE_URL", "homes", "sold_at", batch_rows=4)
TEXTS = ("brokered_by", "status", "street", "city", "state", "zip_code")
NUMBERS = ("price", "bed", "bath", "acre_lot", "house_size")


@pytest.fixture
def warehouse(empty_database: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(empty_database, poolclass=sa.NullPool)
    columns = [
        *(f"{name} VARCHAR(20)" for name in TEXTS), *(f"{name} DOUBLE" for name in NUMBERS),
        "prev_sold_date DATE", "sold_at DATETIME",
    ]  # fmt: skip
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE TABLE homes ({', '.join(columns)})"))
        connection.commit()
        yield connection


def sell(warehouse: sa.Connection, count: int, day: int, **changes: Any) -> None:
    """Rows with equal times."""
    at = datetime(2026, 11, 1) + timedelta(days=day)  # noqa: DTZ001 - a database without zones
    values = {
        "brokered_by": "7", "status": "sold", "street": "5", "city": "Avon", "state": "Ohio",
        "zip_code": "44011", "price": 9000.0, "bed": 3, "bath": 2, "acre_lot": 0.1,
        "house_size": 900.0, "prev_sold_date": "2020-02-29", "sold_at": at.isoformat(" "),
    } | changes  # fmt: skip
    table = sa.table("homes", *map(sa.column, values))
    warehouse.execute(sa.insert(table), [values] * count)
    warehouse.commit()


def ingest(store: Store, warehouse: sa.Connection, spool: Path, kind: type[Query] = Query) -> Job:
    url = warehouse.engine.url.render_as_string(hide_password=False)
    dataset = replace(store.dataset, source=SOURCE)
    step = Ingest(kind(SOURCE, url), spool, dataset, True, lambda _job: None, lambda _job: False)
    return run_job(store, JobKind.INGEST, step)


def test_new_rows_become_batches_and_a_bad_one_is_quarantined(
    store: Store, warehouse: sa.Connection, tmp_path: Path
) -> None:
    sell(warehouse, 3, 0)
    sell(warehouse, 2, 1)
    sell(warehouse, 1, 2, price=None)
    first, second, third = (ingest(store, warehouse, tmp_path / "spool") for _ in range(3))
    assert isinstance(first.result, BatchStored), first.error
    assert isinstance(second.result, BatchStored), second.error
    assert [(r.batch, r.stored, r.quarantined, r.gap) for r in (first.result, second.result)] == [
        (0, 5, 0, 0), (1, 0, 1, 0),
    ]  # fmt: skip
    assert (third.state, type(third.result)) == (JobState.SUCCEEDED, NoNewBatch)
    with store.read() as work:
        assert work.rows.count() == 5
        newest, oldest = work.batches.ledger()
    assert oldest.origin == "WAREHOUSE_URL: sold_at after the beginning"
    assert newest.watermark.endswith("2026-11-03T00:00:00") or "2026-11-03 00" in newest.watermark
    assert list((tmp_path / "spool").iterdir()) == []
