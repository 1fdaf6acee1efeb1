"""The end of an epoch: said before it comes, counted, on record, and its rows kept for a while."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pa_parquet
import pytest

from compose.data_api.options import Options
from console.desk import Desk
from console.queries import rows_export as rows_files
from core.adapters.spool import LocalSpool
from core.adapters.store import Store
from core.domain.batches import EpochState
from core.domain.errors import BadInput, DiskRefused, Missing, NothingToTrainOn
from core.domain.job_results import BatchStored, VersionProposed
from core.domain.jobs import JobKind, JobState
from core.platform.settings import Settings
from core.rules.ops.notification import Event
from core.usecases.epoch_end import ending
from core.usecases.retention import LOT, Keep, Retention
from tests.data_api.serving import SMALL, Service, serving
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.work import ingest, run_job
from workers.evidence import training_data
from workers.steps.train import Train


@pytest.fixture
def api() -> Iterator[Service]:
    with serving(Options(scale=SMALL, faults=True)) as service:
        yield service


class Pipeline:
    """A store that takes in batches of a data API and trains on them."""

    def __init__(self, store: Store, api: Service, folder: Path) -> None:
        self.store, self.api, self.spool = store, api, folder / "spool"
        self.registry = FakeRegistry()

    def ingest(self, count: int = 1, **options: Any) -> list[BatchStored]:
        found = [ingest(self.store, self.api.url, self.spool, **options) for _ in range(count)]
        assert [job.state for job in found] == [JobState.SUCCEEDED] * count, found[-1].error
        return [job.result for job in found]

    def train(self, **args: Any) -> VersionProposed:
        step = Train(self.store.dataset, self.registry, False, lambda _job: None)  # type: ignore[arg-type]
        job = run_job(self.store, JobKind.TRAIN, step, args)
        assert job.state is JobState.SUCCEEDED, job.error
        return job.result

    def count(self, epoch: int | None = None) -> int:
        with self.store.read() as work:
            return work.rows.count(epoch=epoch)

    def prune(self, epochs: int) -> None:
        for _ in Retention(self.store, LocalSpool(self.spool), Keep(epochs=epochs)).run("ana"):
            pass


@pytest.fixture
def pipeline(store: Store, api: Service, tmp_path: Path) -> Pipeline:
    return Pipeline(store, api, tmp_path)


def test_an_automatic_restart_is_on_record_with_its_counts_and_is_told(
    store: Store, pipeline: Pipeline
) -> None:
    stored = [r.stored for r in pipeline.ingest(3)]
    pipeline.train()
    stored += [r.stored for r in pipeline.ingest(3)]
    (seventh,) = pipeline.ingest()
    ended = {
        "epoch": 1, "rows": sum(stored), "untrained_rows": sum(stored[3:]), "kept_epochs": 1,
        "removed_rows": {},
    }  # fmt: skip
    assert seventh.ended == ended
    assert f"no version was trained on {sum(stored[3:]):,} of them" in seventh.note
    with store.read() as work:
        (restart,) = work.audit.latest(action="restart source")
        (begin,) = work.audit.latest(action="begin epoch")
        (told,) = [n for n in work.notifications.latest(20) if n.event is Event.EPOCH]
    assert (restart.actor, restart.subject) == ("ana", "epoch:1")
    assert "SOURCE_RESTART=auto" in restart.reason
    assert restart.details | ended == restart.details
    assert (begin.subject, begin.details["ended"]) == ("epoch:2", ended)
    assert begin.reason == restart.reason
    assert f"The {sum(stored):,} rows of epoch 1 leave training" in told.text


def test_a_restart_that_was_asked_for_keeps_its_reason(store: Store, pipeline: Pipeline) -> None:
    pipeline.ingest(2, restarts=False)
    args = {"restart_epoch": 1, "reason": "The source was mended."}
    (result,) = pipeline.ingest(restarts=False, args=args)
    assert (result.epoch, result.batch) == (2, 0)
    with store.read() as work:
        (restart,) = work.audit.latest(action="restart source")
        first, second = reversed(work.batches.epochs())
    assert restart.reason == "The source was mended."
    assert first.last_number is None  # it was cut short: the last batch is not known
    assert (first.state, second.state) == (EpochState.CLOSED, EpochState.OPEN)


def test_the_end_is_known_before_it_comes_from_the_second_epoch_on(
    store: Store, pipeline: Pipeline
) -> None:
    def coming() -> str:
        with store.read() as work:
            found = ending(work, 1)
        return found.coming if found else ""

    assert coming() == ""
    pipeline.ingest(6, restarts=False)
    assert coming() == ""
    pipeline.ingest(1, restarts=False)
    assert coming() == "The source has served its last batch of epoch 1."
    pipeline.ingest(6)
    assert coming().startswith("Batch 5 is the last batch of the source")
    with store.read() as work:
        assert work.batches.epochs()[1].last_number == 5
    pipeline.ingest(1)
    assert coming() == ""


def test_training_judging_and_counting_see_the_current_epoch_alone(
    store: Store, pipeline: Pipeline
) -> None:
    stored = [r.stored for r in pipeline.ingest(6)]
    (first,) = pipeline.ingest()
    assert pipeline.count() == first.stored
    assert pipeline.count(1) == sum(stored)
    seen = training_data.read(store)
    assert [(b.epoch, b.number) for b in seen.batches] == [(2, 0)]
    with store.read() as work:
        both = [work.rows.count(held_out=side) for side in (False, True)]
        ids = [work.rows.columns(["batch_id"], held_out=s)["batch_id"] for s in (False, True)]
    assert [len(side) for side in ids] == both
    assert {i for side in ids for i in side.tolist()} == {first.batch_id}
    assert sum(both) == first.stored


def test_kept_rows_are_trained_on_by_choice_and_that_is_in_the_dossier(
    store: Store, pipeline: Pipeline
) -> None:
    pipeline.ingest(7)
    result = pipeline.train(epoch=1)
    with store.read() as work:
        dossier = work.promotions.of_version(result.version).dossier
        trained = [b for b in work.batches.ledger() if work.lineage.versions_of(b.id)]
    assert {b.epoch for b in trained} == {1}
    assert {b.epoch for b in dossier.batches} == {1}
    assert len(dossier.batches) == 6
    pipeline.prune(0)
    with pytest.raises(NothingToTrainOn, match="rows of epoch 1 were removed"):
        training_data.read(store, 1)


def test_rows_go_when_they_are_kept_no_longer_and_the_ledger_says_so(
    store: Store, pipeline: Pipeline
) -> None:
    stored = sum(r.stored for r in pipeline.ingest(6))
    pipeline.ingest(6)
    pipeline.prune(1)
    assert pipeline.count(1) == stored
    (result,) = pipeline.ingest()  # epoch 3 begins
    assert result.ended["removed_rows"] == {"1": stored}
    pipeline.prune(1)
    assert (pipeline.count(1), pipeline.count(2)) == (0, stored)
    with store.read() as work:
        removed = [b.rows_removed_at for b in work.batches.stored(1)]
        kept = [b.rows_removed_at for b in work.batches.stored(2)]
        assert [r.epoch for r in work.lineage.rows()] == [3, 2]
        (event,) = work.audit.latest(action="prune")
    assert all(removed)
    assert not any(kept)
    assert event.details == {"rows of earlier epochs": stored, "kept": {"RETAIN_EPOCHS": 1}}


def test_a_removal_that_was_killed_goes_on_and_nobody_reads_half_a_batch(
    store: Store, pipeline: Pipeline
) -> None:
    pipeline.ingest(7)
    before = pipeline.count(1)
    lots = Retention(store, LocalSpool(pipeline.spool), Keep(epochs=0)).run("ana")
    while not next(lots):
        pass
    lots.close()
    assert before - LOT <= pipeline.count(1) < before
    with store.read() as work:
        gone = [b.number for b in work.batches.stored(1) if b.rows_removed_at]
        assert gone == [0]
        assert 0 not in [b.number for b in work.holds.usable(1)]
    pipeline.prune(0)
    assert pipeline.count(1) == 0
    assert pipeline.count() > 0


def test_rows_that_nobody_learned_from_stay_usable_after_the_epoch(
    store: Store, pipeline: Pipeline
) -> None:
    *_, last = pipeline.ingest(6)
    pipeline.ingest()
    with store.read() as work:
        assert work.lineage.versions_of(last.batch_id) == []
        assert [b.number for b in work.holds.usable(1)] == [0, 1, 2, 3, 4, 5]


# Files


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    settings = Settings(_env_file=None, data_dir=tmp_path)
    return Desk(settings, store.dataset, store, FakeQueue(), FakeRegistry(), FakeServing())  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_rows_of_an_epoch_come_out_as_they_are(
    desk: Desk, pipeline: Pipeline, tmp_path: Path, form: str
) -> None:
    results = pipeline.ingest(7)
    file = tmp_path / f"epoch.{form}"
    count = rows_files.export(desk, 1, file)
    assert count == sum(r.stored for r in results[:6])
    if form == "csv":
        with file.open(encoding="utf-8", newline="") as opened:
            read = list(csv.DictReader(opened))
    else:
        read = pa_parquet.read_table(file).to_pylist()
    assert len(read) == count
    assert {str(row["epoch"]) for row in read} == {"1"}
    by_batch = [sum(str(r["batch"]) == str(n) for r in read) for n in range(6)]
    assert by_batch == [r.stored for r in results[:6]]
    with desk.store.read() as work:
        prices = work.rows.columns(["price"], held_out=True, epoch=1)["price"]
    held_out = [float(r["price"]) for r in read if str(r["held_out"]) == "1"]
    assert held_out == prices.tolist()
    assert set(read[0]) >= set(desk.dataset.names)
    one = rows_files.content(desk, rows_files.Chosen(1, results[2].batch_id), "csv")
    assert one.count(b"\n") == results[2].stored + 1


def test_a_file_that_cannot_be_written_leaves_nothing_behind(
    desk: Desk, pipeline: Pipeline, tmp_path: Path
) -> None:
    with pytest.raises(Missing, match="Epoch 0 has no stored rows"):
        rows_files.export(desk, None, tmp_path / "none.csv")
    pipeline.ingest()
    with pytest.raises(BadInput, match="must end in"):
        rows_files.export(desk, None, tmp_path / "rows.xlsx")
    with pytest.raises(DiskRefused, match="cannot be written"):
        rows_files.export(desk, None, tmp_path / "nowhere" / "rows.csv")
    before = set(tmp_path.iterdir())
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DiskRefused):
        rows_files.export(desk, None, tmp_path / "folder.csv")
    assert set(tmp_path.iterdir()) == before | {tmp_path / "folder.csv"}
