"""One batch by its address, the stages of a job, and the next sensible step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from console.desk import Desk
from console.text.job_stages import stages
from core.domain.batches import EpochState
from core.domain.dataset import Dataset
from core.domain.job_results import BatchCompared, BatchStored, VersionProposed
from core.domain.jobs import STAGE, JobKind
from core.rules.data.batch_ledger import stored_note
from tests.build import ended, live, proposed, stored_batch
from tests.views.desks import at_a_desk, button, page, text


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with at_a_desk(tmp_path, dataset, monkeypatch) as made:
        yield made


def test_a_batch_opens_with_profile_rows_and_downloads(desk: Desk) -> None:
    stored_batch(desk.store, 0)
    batch = stored_batch(desk.store, 1)
    live(desk.store, 1, batches=[{"id": batch.id, "epoch": 1, "number": 1, "rows": 3}])
    app = page("pipeline", batch="1/1")
    said = text(app)
    assert "Batch 1 of epoch 1" in "".join(s.value for s in app.subheader)
    assert "3 rows stored, 0 quarantined" in said
    rows, numbers = (frame.value for frame in app.dataframe[:2])
    assert len(rows) == 3
    assert {"Column", "Mean", "Upper quartile"} <= set(numbers.columns)
    labels = {b.label for b in app.button} | {d.label for d in app.get("download_button")}
    assert {"Hold…", "CSV", "Parquet", "All batches"} <= labels


def test_a_batch_that_is_not_on_record_is_said(desk: Desk) -> None:
    stored_batch(desk.store, 0)
    assert "There is no batch 7 in epoch 1" in text(page("pipeline", batch="1/7"))
    assert "Enter a prediction id" in text(page("pipeline", batch="x/y"))


def test_the_ledger_links_each_batch(desk: Desk) -> None:
    stored_batch(desk.store, 0)
    app = page("pipeline", view="Batches")
    (table,) = (f.value for f in app.dataframe if "Open" in f.value)
    assert list(table["Open"]) == ["pipeline?batch=1/0"]


def test_the_stages_of_the_newest_attempt_have_their_durations(desk: Desk) -> None:
    with desk.store.begin() as work:
        job, _ = work.jobs.request(JobKind.TRAIN, {}, "ana")
        for message in ("reading rows", "fitting on 3 rows"):
            work.jobs.log(job.id, message, STAGE)
        work.jobs.log(job.id, "a remark")
        work.commit()
    with desk.store.read() as work:
        lines = work.jobs.lines(job.id)
    at = lines[0].at
    started = replace(job, started_at=at, finished_at=at + timedelta(seconds=5))
    found = stages(started, lines)
    assert [stage.name for stage in found] == ["reading rows", "fitting on 3 rows"]
    assert found[0].ended == found[1].began
    assert found[1].ended == at + timedelta(seconds=5)
    later = replace(job, started_at=at + timedelta(seconds=1))
    assert stages(later, lines) == []  # of an earlier attempt


def filled(desk: Desk) -> list[str]:
    app = page("pipeline")
    return [b.label for b in app.button if b.proto.type == "primary"]


def test_the_filled_button_is_the_next_sensible_step(desk: Desk) -> None:
    assert filled(desk) == ["Ingest next batch"]
    stored_batch(desk.store, 0)
    assert filled(desk) == ["Check drift"]
    proposed(desk.store, 1)
    assert filled(desk) == ["Review version 1"]  # a person decides first
    app = page("pipeline")
    button(app, "Review version 1").click().run()
    assert app.query_params["version"] == "1"


def test_a_box_of_a_step_leads_on_to_what_the_job_made(desk: Desk) -> None:
    stored_batch(desk.store, 0)
    compared = BatchCompared(batch=0, epoch=1, verdict="Batch 0: no retraining needed.")
    for kind, result in (
        (JobKind.INGEST, BatchStored(batch=0, epoch=1, note="Batch 0 of epoch 1.")),
        (JobKind.DRIFT, compared),
        (JobKind.TRAIN, VersionProposed(version=4)),
    ):
        ended(desk.store, kind, result)
    app = page("pipeline")
    links = {link.proto.label for link in app.get("page_link")}
    assert {"See the drift of batch 0", "Review version 4"} <= links
    button(app, "Open batch 0").click().run()
    assert app.query_params["batch"] in ("1/0", ["1/0"])  # its page has an address


def test_a_batchs_note_does_not_repeat_its_figures(desk: Desk) -> None:
    note = stored_note(2, 1, "", 3, 0)
    with desk.store.begin() as work:
        epoch = work.batches.open_epoch()
        for number, more in ((2, ""), (5, "2 batches before it never arrived.")):
            batch = work.batches.receive(epoch.number, f"h{number}", f"{number}.json", 100)
            told = f"{stored_note(number, 1, '', 3, 0)} {more}".strip()
            work.batches.store(
                batch, epoch=1, number=number, stored=3, quarantined=[], gap=0, note=told
            )
        work.commit()
    assert note == "Batch 2 of epoch 1: 3 rows stored."
    assert note not in text(page("pipeline", batch="1/2"))
    app = page("pipeline", view="Batches")
    (table,) = (f.value for f in app.dataframe if "Open" in f.value)
    assert next(iter(table["Note"])) == "2 batches before it never arrived."
    assert next(iter(table["Verdict"])) == "not compared"


def test_a_batch_with_the_content_of_an_earlier_one_says_so(desk: Desk) -> None:
    first = stored_batch(desk.store, 0)
    assert "It repeats" not in text(page("pipeline", batch="1/0"))
    with desk.store.begin() as work:
        work.batches.set_epoch(1, EpochState.CLOSED)
        epoch = work.batches.open_epoch()
        again = work.batches.receive(epoch.number, first.content_hash, "again.json", 100)
        work.batches.store(
            again, epoch=epoch.number, number=0, stored=3, quarantined=[], gap=0, note=""
        )
        work.commit()
    said = "It repeats batch 0 of epoch 1: equal content."
    assert said in text(page("pipeline", batch="2/0"))
