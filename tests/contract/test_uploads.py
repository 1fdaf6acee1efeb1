"""A person's file becomes the next batch: by the action, the command line and the page."""

from __future__ import annotations

import gzip
import io
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from console.actions import pipeline, uploads
from console.desk import Desk
from core.adapters.store import Store
from core.domain.batches import BatchState
from core.domain.dataset import Dataset
from core.domain.errors import BadInput, DiskRefused, JobUnderWay, SourceRefused
from core.domain.job_results import NoNewBatch
from core.domain.jobs import Job, JobKind, JobState
from core.domain.sources import UploadSource, format_of
from core.platform.settings import Settings
from tests.build import somebody
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.work import LEASE, OneStep
from workers.jobs import run_to_its_end
from workers.runtime.job_run import Run
from workers.sources.upload import Uploads
from workers.steps.ingest import Ingest

ANA = somebody("ana")


@pytest.fixture
def desk(database_url: str, dataset: Dataset, tmp_path: Path) -> Iterator[Desk]:
    ours = replace(dataset, source=UploadSource())
    store = Store.open(database_url, ours)
    settings = Settings(_env_file=None, data_dir=tmp_path, file_max_mb=1)
    yield Desk(settings, ours, store, FakeQueue(), FakeRegistry(), FakeServing())  # type: ignore[arg-type]
    store.close()


def csv(dataset: Dataset, rows: int) -> bytes:
    values = "1,for_sale,1000,3,2,0.1,5,Avon,Ohio,44011,900,"
    return "\n".join([",".join(dataset.source_names), *[values] * rows]).encode()


def ingest(desk: Desk) -> Job:
    """Run the ingest that is open, as a worker would."""
    with desk.store.read() as work:
        (job,) = [j for j in work.jobs.open() if j.kind is JobKind.INGEST]
    run = Run.claim(desk.store, job.id, job.attempt, LEASE)
    assert run is not None
    step = Ingest(
        Uploads(), desk.settings.spool, desk.dataset, True, lambda _: None, lambda _: False
    )
    run_to_its_end(run, OneStep(step))  # type: ignore[arg-type]
    with desk.store.read() as work:
        return work.jobs.get(job.id)


def left(desk: Desk) -> list[str]:
    return sorted(f.name for f in desk.settings.spool.iterdir())


def test_a_file_is_the_next_batch_and_keeps_its_name_on_record(desk: Desk) -> None:
    for number, (name, content) in enumerate(
        [
            ("jan.csv", csv(desk.dataset, 3)),
            ("feb.csv.gz", gzip.compress(csv(desk.dataset, 2))),
        ]
    ):
        uploads.upload(desk, ANA, io.BytesIO(content), name)
        job = ingest(desk)
        assert job.state is JobState.SUCCEEDED, job.error
        assert (job.result.batch, job.result.stored) == (number, 3 - number)
        with desk.store.read() as work:
            newest = work.batches.ledger()[0]
            (asked,) = work.audit.latest(1, action="request ingest")
        assert newest.origin == name
        assert asked.details["origin"] == name
    assert left(desk) == []
    pipeline.request_ingest(desk, ANA)
    assert isinstance(ingest(desk).result, NoNewBatch)


def test_a_name_may_be_used_again_and_the_same_content_is_stored_once(desk: Desk) -> None:
    for name, rows in (("jan.csv", 3), ("jan.csv", 2)):
        uploads.upload(desk, ANA, io.BytesIO(csv(desk.dataset, rows)), name)
        assert ingest(desk).result.stored == rows
    for name, rows, batch in (("jan.csv", 3, 0), ("copy.csv", 2, 1)):
        uploads.upload(desk, ANA, io.BytesIO(csv(desk.dataset, rows)), name)
        note = f"The batch ({name}) came again with the same content as batch {batch}"
        assert ingest(desk).result.note == f"{note}; nothing was added."
    with desk.store.read() as work:
        states = [b.state for b in work.batches.ledger()]
        assert work.rows.count() == 5
    assert states == [BatchState.REPEATED] * 2 + [BatchState.STORED] * 2


def test_while_an_ingest_is_open_a_file_is_refused_and_not_kept(desk: Desk) -> None:
    uploads.upload(desk, ANA, io.BytesIO(csv(desk.dataset, 1)), "jan.csv")
    with pytest.raises(JobUnderWay, match="can be queued once it is over"):
        uploads.upload(desk, ANA, io.BytesIO(csv(desk.dataset, 2)), "feb.csv")
    assert len(left(desk)) == 1
    assert ingest(desk).result.stored == 1


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("houses.xlsx", b"x", "no ending that names a format"),
        ("houses", b"x", "no ending"),
        ("houses.csv", b"", "The file is empty"),
        ("houses.csv", b"x" * 1_000_001, "more than 1 MB. Raise FILE_MAX_MB"),
    ],
)
def test_a_file_that_cannot_be_a_batch_is_refused(
    desk: Desk, name: str, content: bytes, says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        uploads.upload(desk, ANA, io.BytesIO(content), name)
    assert not desk.settings.spool.exists() or left(desk) == []


def test_beside_a_data_api_which_numbers_its_batches_nothing_is_uploaded(
    desk: Desk, dataset: Dataset
) -> None:
    beside = replace(desk, dataset=dataset)
    with pytest.raises(SourceRefused, match=r'would take the number .* kind = "upload"'):
        uploads.upload(beside, ANA, io.BytesIO(b"x"), "a.csv")
    assert not desk.settings.spool.exists()


def test_a_spool_that_cannot_be_written_is_named(desk: Desk) -> None:
    desk.settings.spool.write_text("a file where the folder should be")
    with pytest.raises(DiskRefused, match="could not be copied into the spool"):
        uploads.upload(desk, ANA, io.BytesIO(b"x"), "a.csv")


def test_an_upload_that_broke_off_is_deleted_after_an_hour(desk: Desk) -> None:
    desk.settings.spool.mkdir()
    for name, age in (("old.upload", 7200), ("new.upload", 0)):
        path = desk.settings.spool / name
        path.write_bytes(b"x")
        os.utime(path, (time.time() - age,) * 2)
    pipeline.request_ingest(desk, ANA)
    ingest(desk)
    assert left(desk) == ["new.upload"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("a.csv", ("csv", "")), ("a.CSV.GZ", ("csv", ".gz")), ("a.b.ndjson.zst", ("jsonl", ".zst")),
     ("a.pq", ("parquet", "")), ("a", (None, "")), ("a.gz", (None, ".gz"))],
)  # fmt: skip
def test_a_name_says_the_format(name: str, wanted: tuple[str | None, str]) -> None:
    assert format_of(name) == wanted
