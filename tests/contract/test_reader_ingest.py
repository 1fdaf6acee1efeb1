"""Files of each format through the whole ingest, on SQLite and on MariaDB."""

from __future__ import annotations

import gzip
import io
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from core.adapters.store import Store
from core.domain.job_results import BatchStored
from core.domain.jobs import Job, JobKind, JobState
from core.domain.sources import FilesSource
from tests.work import run_job
from workers.sources.files import Files
from workers.steps.ingest import Ingest

ROWS = [
    {
        "brokered_by": 1,
        "status": "for_sale",
        "price": 1000.5 + n,
        "bed": 3,
        "bath": None,
        "acre_lot": 0.1,
        "street": 5,
        "city": "Avon",
        "state": "Ohio",
        "zip_code": 1001,
        "house_size": 900.0,
        "prev_sold_date": None,
    }
    for n in range(4)
]


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), sink)
    return sink.getvalue()


def semicolons() -> bytes:
    sink = io.BytesIO()
    options = pa_csv.WriteOptions(delimiter=";", quoting_style="none")
    pa_csv.write_csv(pa.Table.from_pylist(ROWS), sink, options)
    return sink.getvalue().replace(b".", b",").replace(b"\n1;", b"\r\n1;")


def ingest(store: Store, folder: Path, **more: int) -> tuple[Job, str]:
    source = FilesSource(f"{folder}/in/*", settle_seconds=0)
    step = Ingest(
        Files(source),
        folder / "spool",
        replace(store.dataset, source=source),
        True,
        lambda _job: None,
        lambda _job: False,
        **more,
    )
    job = run_job(store, JobKind.INGEST, step)
    with store.read() as work:
        return job, "\n".join(line.message for line in work.jobs.lines(job.id))


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def test_each_format_is_stored_under_the_next_number(
    store: Store, tmp_path: Path, inbox: Path
) -> None:
    (inbox / "a.csv.gz").write_bytes(gzip.compress(semicolons()))
    (inbox / "b.parquet").write_bytes(parquet())
    logs = []
    for number in (0, 1):
        job, log = ingest(store, tmp_path)
        assert isinstance(job.result, BatchStored), job.error
        assert (job.result.batch, job.result.stored, job.result.quarantined) == (number, 4, 0)
        logs.append(log)
    assert "Read as CSV in utf-8, separated by semicolons, with a decimal comma." in logs[0]
    assert "Read as" not in logs[1]
    with store.read() as work:
        columns = work.rows.columns(["price", "zip_code"], held_out=False)
        both = [len(columns["price"]), set(columns["zip_code"])]
        other = work.rows.columns(["price"], held_out=True)
    assert both[0] + len(other["price"]) == 8
    assert both[1] <= {"01001"}
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_file_that_is_none_is_named_and_the_next_one_is_stored(
    store: Store, tmp_path: Path, inbox: Path
) -> None:
    (inbox / "a.parquet").write_bytes(b"PAR1 and no more")
    (inbox / "b.csv.gz").write_bytes(gzip.compress(semicolons() + b"\n" * 200_000))
    (inbox / "c.parquet").write_bytes(parquet())
    says = ["no whole Parquet file", "more than 100,000 bytes once decompressed (FILE_MAX_MB)"]
    for sentence in says:
        job, _ = ingest(store, tmp_path, most_bytes=100_000)
        assert job.state is JobState.FAILED
        assert sentence in job.error
    job, _ = ingest(store, tmp_path, most_bytes=100_000)
    assert isinstance(job.result, BatchStored)
