"""kill -9 of worker and horse while quarantined rows are read again.

What must hold each time: the job ends; every row of the file is stored or in quarantine, once.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import sqlalchemy as sa

from console.actions import batches, uploads
from console.desk import Desk
from core.adapters.store import Store
from core.adapters.store.tables import quarantine, rows_table
from core.domain.dataset import Dataset
from core.domain.job_results import BatchStored, RowsReadAgain
from core.domain.jobs import JobState
from core.platform.dataset_file import load
from core.platform.settings import Settings
from tests.build import somebody
from tests.databases import migrated
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.faults.test_kill import Bench, bench, kill_once
from tests.work import LEASE, OneStep
from workers.jobs import run_to_its_end
from workers.runtime.job_run import Run
from workers.sources.upload import Uploads
from workers.steps.ingest import Ingest

KILLS = int(os.environ.get("KILLS", "2"))
MOST = 2 * KILLS + 2
"""Batches that are there: a job may be over before it is killed."""

MOMENTS = (0.7, 0.1, 0.0)
"""Progress at which it is killed: storing, reading, and at once."""

ISO, DAY_FIRST, NEITHER = 20_000, 9_000, 500
"""Rows of a batch by how their dates are written."""

DATASET = """
name = "orders"
source = { kind = "upload" }

[[columns]]
name = "number"
type = "code"
role = "identifier"

[[columns]]
name = "day"
type = "date"
role = "feature"
PARSE
[[columns]]
name = "total"
type = "number"
role = "target"
nullable = false
"""


def content(batch: int) -> bytes:
    """A file whose row n has the number n, and totals that no other file has."""
    days = ["2026-03-01"] * ISO + ["31/12/2025"] * DAY_FIRST + ["soon"] * NEITHER
    rows = "".join(f"{n},{day},{batch}\n" for n, day in enumerate(days))
    return f"number,day,total\n{rows}".encode()


def stored_before(url: str, dataset: Dataset, data: Path) -> list[int]:
    """The ids of batches that were stored when dates were read as ISO 8601."""
    store = Store.open(url, dataset)
    settings = Settings(_env_file=None, data_dir=data)
    desk = Desk(settings, dataset, store, FakeQueue(), FakeRegistry(), FakeServing())  # type: ignore[arg-type]
    step = Ingest(Uploads(), settings.spool, dataset, True, lambda _: None, lambda _: False)
    ids = []
    for n in range(MOST):
        job = uploads.upload(desk, somebody(), io.BytesIO(content(n)), "orders.csv")
        run = Run.claim(store, job.id, job.attempt, LEASE)
        assert run is not None
        run_to_its_end(run, OneStep(step))  # type: ignore[arg-type]
        with store.begin() as work:
            result = work.jobs.get(job.id).result
            assert isinstance(result, BatchStored)
            assert (result.stored, result.quarantined) == (ISO, DAY_FIRST + NEITHER)
            ids.append(result.batch_id)
            for compare in work.jobs.open():
                work.jobs.cancel(compare.id)
            work.commit()
    store.close()
    return ids


def check(on: Bench, batch_id: int, *, is_read: bool) -> None:
    """The batch has each row of its file once: stored, or in quarantine, as its counts say."""
    table = rows_table(on.desk.dataset)
    with on.desk.store.read() as work:
        batch = work.batches.get(batch_id)
    with on.desk.store.engine.connect() as connection:
        rows = connection.scalars(sa.select(table.c.number).where(table.c.batch_id == batch_id))
        waiting = connection.scalars(
            sa.select(quarantine.c.row_number).where(quarantine.c.batch_id == batch_id)
        )
        stored, left = sorted(map(int, rows)), sorted(waiting)
    again = DAY_FIRST if is_read else 0
    assert stored == list(range(ISO + again))
    assert left == list(range(ISO + again, ISO + DAY_FIRST + NEITHER))
    counts = (batch.rows, batch.stored, batch.quarantined, batch.read_again)
    assert counts == (ISO + DAY_FIRST + NEITHER, len(stored), len(left), again)


def test_reading_the_quarantine_again_survives_kill_9(
    tmp_path: Path, redis_url: str, mlflow_uri: str
) -> None:
    file, data, url = tmp_path / "orders.toml", tmp_path / "data", f"sqlite:///{tmp_path}/kill.db"
    file.write_text(DATASET.replace("PARSE", ""), encoding="utf-8")
    migrated(url, load(file))
    ids = stored_before(url, load(file), data)
    file.write_text(DATASET.replace("PARSE", 'parse = "%d/%m/%Y"'), encoding="utf-8")
    outcomes: list[tuple[bool, str]] = []
    with bench(tmp_path, url, redis_url, mlflow_uri, DATASET=str(file)) as on:
        while sum(killed for killed, _ in outcomes) < KILLS:
            batch_id = ids[len(outcomes)]
            check(on, batch_id, is_read=False)
            job = batches.retry_quarantine(on.desk, somebody(), batch_id, reason="d/m/y")
            at = MOMENTS[len(outcomes) % len(MOMENTS)]
            killed, ended = kill_once(on, job, at)
            assert ended.state is JobState.SUCCEEDED, ended.error
            assert isinstance(ended.result, RowsReadAgain)
            assert (ended.result.added, ended.result.left) == (DAY_FIRST, NEITHER)
            check(on, batch_id, is_read=True)
            outcomes.append((killed, f"at {at}: attempt {ended.attempt}"))
        for batch_id in ids[len(outcomes) :]:
            check(on, batch_id, is_read=False)
        with on.desk.store.read() as work:
            events = work.audit.latest(100, action="read quarantine")
    print(*outcomes, sep="\n")
    assert len(events) == len(outcomes)
