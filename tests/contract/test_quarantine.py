"""Quarantined rows are read again after a reading rule changed, on SQLite and on MariaDB."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from console.actions import batches, uploads
from console.desk import Desk
from core.adapters.readers import parse
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.errors import IllegalTransition, JobUnderWay
from core.domain.job_results import BatchStored, RowsReadAgain
from core.domain.jobs import Job, JobKind, JobState
from core.domain.profiles import ColumnProfile
from core.domain.sources import UploadSource
from core.platform.settings import Settings
from core.rules.data.training_set import lesson, rows_digest
from tests.build import somebody
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.work import LEASE, OneStep
from workers.jobs import run_to_its_end
from workers.runtime.job_run import Run
from workers.sources.upload import Uploads
from workers.steps.ingest import Ingest

ANA = somebody("ana")
ROW = {
    "brokered_by": "1",
    "status": "for_sale",
    "price": "1000.5",
    "bed": "3",
    "bath": "",
    "acre_lot": "0.1",
    "street": "5",
    "city": "Avon",
    "state": "Ohio",
    "zip_code": "01001",
    "house_size": "900",
    "prev_sold_date": "",
}


def row(n: int, day: str, **more: str) -> dict[str, str]:
    return ROW | {"price": str(1000.5 + n), "prev_sold_date": day} | more


def csv(rows: list[dict[str, str]], comma: str = ",") -> bytes:
    return "\n".join([comma.join(ROW), *(comma.join(r.values()) for r in rows)]).encode()


def lines(rows: list[dict[str, str]]) -> bytes:
    return "\n".join(json.dumps(r | {"price": float(r["price"])}) for r in rows).encode()


def parquet(rows: list[dict[str, str]]) -> bytes:
    sink = io.BytesIO()
    table = pa.Table.from_pylist([r | {"price": float(r["price"])} for r in rows])
    pq.write_table(table, sink)
    return sink.getvalue()


def with_day_first(dataset: Dataset) -> Dataset:
    """The same dataset file, where dates are read as d/m/y."""
    columns = [
        replace(c, parse="%d/%m/%Y") if c.name == "prev_sold_date" else c for c in dataset.columns
    ]
    return replace(dataset, columns=tuple(columns))


@pytest.fixture
def desk(database_url: str, dataset: Dataset, tmp_path: Path) -> Iterator[Desk]:
    ours = replace(dataset, source=UploadSource())
    store = Store.open(database_url, ours)
    settings = Settings(_env_file=None, data_dir=tmp_path, file_max_mb=1)
    yield Desk(settings, ours, store, FakeQueue(), FakeRegistry(), FakeServing())  # type: ignore[arg-type]
    store.close()


def work_off(desk: Desk, dataset: Dataset | None = None) -> Job:
    """Run the ingest that is open, as a worker with that dataset file would."""
    with desk.store.read() as work:
        (job,) = [j for j in work.jobs.open() if j.kind is JobKind.INGEST]
    run = Run.claim(desk.store, job.id, job.attempt, LEASE)
    assert run is not None
    used = dataset or desk.dataset
    step = Ingest(Uploads(), desk.settings.spool, used, True, lambda _: None, lambda _: False)
    run_to_its_end(run, OneStep(step))  # type: ignore[arg-type]
    with desk.store.read() as work:
        return work.jobs.get(job.id)


def store_file(desk: Desk, content: bytes, name: str) -> BatchStored:
    uploads.upload(desk, ANA, io.BytesIO(content), name)
    job = work_off(desk)
    assert isinstance(job.result, BatchStored), job.error
    return job.result


def profile(desk: Desk, batch_id: int) -> dict[str, ColumnProfile]:
    with desk.store.read() as work:
        return {p.column: p for p in work.batches.profile("batch", batch_id)}


def stored_rows(desk: Desk, batch_id: int) -> list[tuple[Any, ...]]:
    with desk.store.read() as work:
        rows = [r for b in work.rows.stream(batch_id=batch_id) for r in b.to_pylist()]
    return sorted(tuple(v for k, v in r.items() if k != "batch_id") for r in rows)


@pytest.mark.parametrize("write", [csv, lines, parquet])
def test_rows_that_pass_now_join_their_batch_as_if_they_had_been_read_so_at_once(
    desk: Desk, write: Any
) -> None:
    rows = [row(n, day) for n, day in enumerate(["", "31/12/2020", "1/2/2021", "soon"])]
    name = f"jan.{ {csv: 'csv', lines: 'jsonl', parquet: 'parquet'}[write] }"
    before = store_file(desk, write(rows), name)
    assert (before.stored, before.quarantined) == (1, 3)
    batches.retry_quarantine(desk, ANA, before.batch_id, reason="dates are d/m/y")
    job = work_off(desk, with_day_first(desk.dataset))
    assert isinstance(job.result, RowsReadAgain), job.error
    assert (job.result.added, job.result.left) == (2, 1)
    with desk.store.read() as work:
        batch = work.batches.get(before.batch_id)
        (left,) = work.batches.quarantined(batch.id)
        (event,) = work.audit.latest(1, action="read quarantine")
        compared = work.jobs.get(job.result.drift_job or 0)
    assert (batch.rows, batch.stored, batch.quarantined, batch.read_again) == (4, 3, 1, 2)
    assert left.row_number == 3
    assert (event.actor, event.details["added"], event.details["left"]) == ("ana", 2, 1)
    assert (compared.kind, compared.args["batch_id"]) == (JobKind.DRIFT, batch.id)
    wanted = replace(desk, dataset=with_day_first(desk.dataset))
    uploads.upload(wanted, ANA, io.BytesIO(write(rows[:3])), f"again.{name}")
    fresh = work_off(wanted, wanted.dataset)
    assert isinstance(fresh.result, BatchStored), fresh.error
    assert stored_rows(desk, batch.id) == stored_rows(desk, fresh.result.batch_id)
    assert profile(desk, batch.id) == profile(desk, fresh.result.batch_id)


def test_reading_twice_adds_nothing_and_reasons_follow_the_new_rule(desk: Desk) -> None:
    before = store_file(desk, csv([row(0, ""), row(1, "31/12/2020"), row(2, "soon")]), "a.csv")
    for added in (1, 0):
        batches.retry_quarantine(desk, ANA, before.batch_id)
        job = work_off(desk, with_day_first(desk.dataset))
        assert isinstance(job.result, RowsReadAgain), job.error
        assert (job.result.added, job.result.left) == (added, 1)
    with desk.store.read() as work:
        assert work.rows.count() == 2
        (left,) = work.batches.quarantined(before.batch_id)
    assert "%d/%m/%Y" in left.reason


def test_what_was_not_kept_as_it_came_stays_in_quarantine(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parse, "KEPT_CONTENTS", 3)
    shifted = row(1, "31/12/2020") | {"status": "for_sale,1"}
    rows = [row(0, ""), shifted, row(2, "31/12/2020", city="Av\x00n"), row(3, "31/12/2020"),
            row(4, "31/12/2020")]  # fmt: skip
    before = store_file(desk, csv(rows), "a.csv")
    assert before.quarantined == 4
    batches.retry_quarantine(desk, ANA, before.batch_id)
    job = work_off(desk, with_day_first(desk.dataset))
    assert (job.result.added, job.result.left) == (1, 3)
    assert {r[-2] for r in stored_rows(desk, before.batch_id)} == {0, 3}


def test_numbers_with_a_decimal_comma_are_read_again_as_such(desk: Desk) -> None:
    rows = [row(n, "31/12/2020", price=f"{1000 + n},25", acre_lot="0,1") for n in range(3)]
    rows.append(row(9, "", price="7,5", acre_lot="0,1"))
    before = store_file(desk, csv(rows, ";"), "a.csv")
    assert before.quarantined == 3
    batches.retry_quarantine(desk, ANA, before.batch_id)
    work_off(desk, with_day_first(desk.dataset))
    assert profile(desk, before.batch_id)["price"].maximum == 1002.25


def test_the_lesson_is_another_one_so_that_a_training_learns_the_rows(desk: Desk) -> None:
    before = store_file(desk, csv([row(0, ""), row(1, "31/12/2020")]), "a.csv")
    with desk.store.read() as work:
        old = work.batches.get(before.batch_id)
    batches.retry_quarantine(desk, ANA, before.batch_id)
    work_off(desk, with_day_first(desk.dataset))
    with desk.store.read() as work:
        new = work.batches.get(before.batch_id)
    assert rows_digest([old]) != rows_digest([new])
    assert lesson([old], desk.dataset).batches != lesson([new], desk.dataset).batches


def test_a_batch_without_quarantine_or_of_an_epoch_that_is_over_is_refused(desk: Desk) -> None:
    clean = store_file(desk, csv([row(0, "")]), "a.csv")
    with pytest.raises(IllegalTransition, match="has no quarantined rows"):
        batches.retry_quarantine(desk, ANA, clean.batch_id)
    dirty = store_file(desk, csv([row(0, "x"), row(1, "")]), "b.csv")
    with desk.store.begin() as work:
        work.batches.open_epoch()
        work.commit()
    with pytest.raises(IllegalTransition, match="epoch 1, which is over"):
        batches.retry_quarantine(desk, ANA, dirty.batch_id)


def test_an_epoch_that_ends_before_the_job_runs_keeps_its_rows(desk: Desk) -> None:
    dirty = store_file(desk, csv([row(0, "31/12/2020"), row(1, "")]), "b.csv")
    batches.retry_quarantine(desk, ANA, dirty.batch_id)
    with desk.store.begin() as work:
        work.batches.open_epoch()
        work.commit()
    job = work_off(desk, with_day_first(desk.dataset))
    assert job.state is JobState.FAILED
    assert "which is over" in job.error
    assert len(stored_rows(desk, dirty.batch_id)) == 1


def test_it_waits_for_an_ingest_and_is_joined_by_its_like(desk: Desk) -> None:
    dirty = store_file(desk, csv([row(0, "x"), row(1, "")]), "b.csv")
    first = batches.retry_quarantine(desk, ANA, dirty.batch_id)
    assert batches.retry_quarantine(desk, ANA, dirty.batch_id).id == first.id
    with pytest.raises(JobUnderWay, match="quarantine="):
        uploads.upload(desk, ANA, io.BytesIO(csv([row(2, "")])), "c.csv")
