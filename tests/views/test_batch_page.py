"""One batch by its address, the stages of a job, and the next sensible step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from console.desk import Desk
from console.text.job_stages import stages
from core.domain.dataset import Dataset
from core.domain.jobs import STAGE, JobKind
from tests.build import live, proposed, stored_batch
from tests.views.desks import at_a_desk, page, text


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
    rows, profile = (frame.value for frame in app.dataframe[:2])
    assert len(rows) == 3
    assert {"Column", "Mean", "Most common"} <= set(profile.columns)
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
    assert filled(desk) == []  # a person decides first
