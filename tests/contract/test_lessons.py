"""Training on the same rows by the same recipe: noticed before it is queued, and by the job itself.

Beside it, what answers a batch that needs retraining: a training that succeeded, and nothing less.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from compose.data_api.options import Options
from console.actions import pipeline
from console.desk import Desk
from console.queries import overview, status
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.drift import RetrainWhen
from core.domain.errors import ReasonRequired
from core.domain.job_results import NothingNew
from core.domain.jobs import Job, JobKind, JobState
from core.platform.dataset_file import load
from core.platform.settings import Settings
from core.rules.drift.batch_verdict import Stand
from core.usecases.batch_facts import newest_batches, verdict_of
from tests import build
from tests.build import somebody
from tests.data_api.serving import serving as data_api
from tests.databases import migrated
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.work import OneStep, ingest, run_job
from workers.jobs import run_to_its_end
from workers.runtime.job_run import Run
from workers.steps.drift import CheckDrift
from workers.steps.judge import Judge
from workers.steps.train import Train

SEED = 5
ANA = somebody("ana")


@pytest.fixture(scope="module")
def rides() -> Dataset:
    return load(Path(__file__).parent.parent / "datasets" / "rides.toml")


@pytest.fixture
def desk(tmp_path: Path, rides: Dataset) -> Iterator[Desk]:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    migrated(url, rides)
    store = Store.open(url, rides)
    settings = Settings(_env_file=None, data_dir=tmp_path, database_url=url)
    yield Desk(
        settings, rides, store, FakeQueue(), FakeRegistry(), FakeServing(),  # type: ignore[arg-type]
    )  # fmt: skip
    store.close()


@pytest.fixture
def folder(tmp_path: Path, rides: Dataset) -> Path:
    """Three batches of days: warm, a heat wave, warm."""
    print("seed", SEED)
    dice = random.Random(SEED)
    made = tmp_path / "days"
    made.mkdir()
    for n, warmth in enumerate((15, 30, 15)):
        with (made / f"batch_{n}.csv").open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file)
            out.writerow(rides.names)
            for i in range(200):
                degrees = round(dice.gauss(warmth, 4), 1)
                day = f"2026-{n + 1:02}-{i % 28 + 1:02}"
                out.writerow([day, "sun", degrees, 4.0, max(0, round(20 * degrees))])
    return made


def take_in(desk: Desk, folder: Path, count: int, *, skip: int = 0) -> list[int]:
    """Ingest and compare; returns the batches' ids."""
    with data_api(Options(folder=folder)) as api:
        for _ in range(skip):
            api.batch()
        ids = []
        for _ in range(count):
            spool = desk.settings.data_dir / "spool"
            ids.append(int(ingest(desk.store, api.url, spool).result.batch_id))
            check(desk, ids[-1])
    return ids


def end_open(desk: Desk) -> None:
    with desk.store.begin() as work:
        for job in work.jobs.open():
            work.jobs.cancel(job.id)
        work.commit()


def check(desk: Desk, batch_id: int, *, trains: bool = False) -> Job:
    end_open(desk)
    step = CheckDrift(desk.dataset, trains, lambda _job: None)
    return run_job(desk.store, JobKind.DRIFT, step, {"batch_id": batch_id})


def step(desk: Desk) -> Train:
    return Train(desk.dataset, desk.registry, False, lambda _job: None)


def train(desk: Desk, **args: Any) -> Job:
    return run_job(desk.store, JobKind.TRAIN, step(desk), args)


def stand(desk: Desk, batch_id: int) -> Stand:
    with desk.store.read() as work:
        return verdict_of(work, work.batches.get(batch_id)).stand


def test_the_same_rows_and_recipe_need_a_reason_and_make_no_second_candidate(
    desk: Desk, folder: Path
) -> None:
    take_in(desk, folder, 1)
    assert train(desk).result.version == 1
    with pytest.raises(ReasonRequired, match=r"those of version 1.* Say why to train anyway"):
        pipeline.request_train(desk, ANA)
    job = pipeline.request_train(desk, ANA, reason="is it still the same?")
    assert job.args == {"anyway": True}
    run = Run.claim(desk.store, job.id, job.attempt, timedelta(seconds=30))
    assert run
    run_to_its_end(run, OneStep(step(desk)))  # type: ignore[arg-type]
    done = status.job(desk, job.id)
    assert done.state is JobState.SUCCEEDED, done.error
    assert done.result == NothingNew(
        1, "The model is identical to version 1, file for file; it is not proposed."
    )
    assert [p.version for p in status.promotions(desk)] == [1]
    assert [v.version for v in desk.registry.versions()] == [1]


def test_a_job_that_was_queued_before_looks_again(desk: Desk, folder: Path) -> None:
    take_in(desk, folder, 1)
    train(desk)
    late = train(desk)
    assert late.result == NothingNew(
        1, "Same rows and recipe as version 1: nothing new would come of it."
    )


def test_a_version_whose_file_is_gone_can_be_made_again_on_a_reason(
    desk: Desk, folder: Path
) -> None:
    take_in(desk, folder, 1)
    train(desk)
    desk.registry.tamper(1)  # type: ignore[attr-defined]
    assert train(desk, anyway=True).result.version == 2


def test_another_batch_or_another_dataset_file_is_another_lesson(desk: Desk, folder: Path) -> None:
    take_in(desk, folder, 1)
    train(desk)
    (two,) = take_in(desk, folder, 1, skip=1)
    with desk.store.read() as work:
        assert newest_batches(work, desk.dataset).same_as is None
        other = build.small_dataset()
        assert newest_batches(work, other).same_as is None
    assert train(desk).result.version == 2
    assert stand(desk, two) is Stand.LEARNED


def test_judging_again_on_later_rows_does_not_change_what_was_learned(
    desk: Desk, folder: Path
) -> None:
    take_in(desk, folder, 1)
    train(desk)
    (two,) = take_in(desk, folder, 1, skip=1)
    judged = run_job(desk.store, JobKind.JUDGE, Judge(desk.registry), {"version": 1})
    assert judged.state is JobState.SUCCEEDED, judged.error
    assert stand(desk, two) is Stand.ASKS
    with desk.store.read() as work:
        assert [b.number for b in work.promotions.of_version(1).dossier.batches] == [0]
        assert newest_batches(work, desk.dataset).same_as is None


def test_training_that_follows_by_itself_is_left_out_and_the_log_says_why(
    desk: Desk, folder: Path
) -> None:
    (one,) = take_in(desk, folder, 1)
    train(desk)
    again = check(desk, one, trains=True)
    assert again.result.retrain is True
    assert again.result.train_job is None
    with desk.store.read() as work:
        said = " ".join(line.message for line in work.jobs.lines(again.id))
        assert "Training is not queued by itself" in said
        assert "version 1 learned from it" in said
        assert not [j for j in work.jobs.open() if j.kind is JobKind.TRAIN]


def test_only_a_training_that_succeeded_answers_a_batch(desk: Desk, folder: Path) -> None:
    (one,) = take_in(desk, folder, 1)
    job = pipeline.request_train(desk, ANA)
    assert stand(desk, one) is Stand.TRAINING
    pipeline.cancel(desk, ANA, job.id)
    assert stand(desk, one) is Stand.ASKS
    assert any(n.title == "Batch 0: retraining recommended" for n in overview.overview(desk).needs)
    train(desk)
    assert stand(desk, one) is Stand.LEARNED
    assert not any("Batch 0" in n.title for n in overview.overview(desk).needs)


def test_what_the_live_version_learned_from_is_not_asked_for_after_a_re_check(
    desk: Desk, folder: Path
) -> None:
    desk.store.dataset = replace(desk.dataset, retrain_when=RetrainWhen.RULE)
    (one,) = take_in(desk, folder, 1)
    train(desk)
    with desk.store.begin() as work:
        job = build.approve(work, 1)
        work.promotions.make_live(work.promotions.of_version(1))
        work.jobs.cancel(job.id)
        work.commit()
    check(desk, one)
    with desk.store.read() as work:
        found = verdict_of(work, work.batches.get(one))
    assert found.rule_asks
    assert found.title == (
        "Batch 0: no further retraining needed (version 1, which is live, learned from it)"
    )
    assert not any("Batch 0" in n.title for n in overview.overview(desk).needs)


def test_an_earlier_batch_stays_asked_for_and_one_training_answers_all(
    desk: Desk, folder: Path
) -> None:
    take_in(desk, folder, 1)
    train(desk)
    take_in(desk, folder, 2, skip=1)
    with desk.store.read() as work:
        now = newest_batches(work, desk.dataset)
    assert [v.number for v in now.waiting] == [2, 1]
    assert "Batch 2 came after it" in now.waiting[1].sentence
    assert now.why_a_reason == ""
    train(desk)
    with desk.store.read() as work:
        assert newest_batches(work, desk.dataset).waiting == ()
