"""A batch that looks broken is held until a person releases it: nothing refers to it or learns."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.adapters.store import Store
from core.adapters.store.timeouts import WORKING
from core.domain.batches import Batch
from core.domain.dataset import Dataset
from core.domain.drift import Reference, RetrainWhen, StoredReport
from core.domain.errors import (
    DecidedAlready,
    IllegalTransition,
    NothingToTrainOn,
    ReasonRequired,
    StoreBusy,
    TooMuchToTrainOn,
)
from core.domain.jobs import JobKind, JobState
from core.domain.promotions import Cause
from core.platform.dataset_file import load
from core.rules.model.verdict_validity import Standing, recommend
from core.rules.ops.notification import Event
from core.usecases import batch_holds, forced_promotions
from tests import build
from tests.contract.test_drift_step import House, days
from tests.databases import migrated
from tests.work import run_job
from workers.evidence import training_data
from workers.steps.train import Train


@pytest.fixture(scope="module")
def rides() -> Dataset:
    return load(Path(__file__).parent.parent / "datasets" / "rides.toml")


@pytest.fixture
def store(empty_database: str, rides: Dataset) -> Iterator[Store]:
    migrated(empty_database, rides)
    opened = Store.open(empty_database, rides)
    yield opened
    opened.close()


def hundredfold(dice: random.Random) -> list[Any]:
    """A day whose rides were counted in another unit."""
    *rest, count = days(15)(dice)
    return [*rest, count * 100]


def broken_then_good(store: Store, rides: Dataset, tmp_path: Path) -> tuple[House, list[int]]:
    """Two good batches, of which a model is live, a broken one, and two good ones."""
    good = days(15)
    house = House(store, rides, tmp_path, good, good, hundredfold, good, good)
    ids = house.take_in(2)
    house.train()
    return house, [*ids, *house.take_in(3, skip=2)]


def report(store: Store, batch_id: int) -> StoredReport:
    with store.read() as work:
        return work.drift.latest(1, Reference.PREVIOUS, batch_id)[0]


def batch(store: Store, batch_id: int) -> Batch:
    with store.read() as work:
        return work.batches.get(batch_id)


def train(house: House, **args: Any) -> Any:
    step = Train(house.store.dataset, house.registry, False, lambda _job: None)  # type: ignore[arg-type]
    return run_job(house.store, JobKind.TRAIN, step, args)


def test_the_good_batch_after_a_broken_one_is_no_false_alarm(
    store: Store, rides: Dataset, tmp_path: Path
) -> None:
    house, ids = broken_then_good(store, rides, tmp_path)
    first, second, broken, good, later = ids
    house.check(second)
    job = house.check(broken, trains=True)
    assert job.result.recommendation == "block"
    assert job.result.held is True
    held = batch(store, broken)
    assert held.is_held
    assert (held.held_by, held.hold_reason) == ("driftdesk", job.result.advice[0])

    job = house.check(good, trains=True)
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result.retrain is False
    assert job.result.train_job is None
    found = report(store, good)
    assert (found.reference_id, found.note) == (second, "batch 2 is held")
    assert found.compared_with == "epoch 1, batch 1: batch 2 is held"
    with store.read() as work:
        advice = work.drift.advice(good)
        lines = [line.message for line in work.jobs.lines(job.id)]
        told = [n for n in work.notifications.latest(20) if n.event is Event.HELD]
        (event,) = work.audit.latest(action="hold batch")
    assert advice is not None
    assert advice.error is not None
    assert advice.error.earlier_batches == 2  # and not the broken one
    assert "compared with epoch 1, batch 1: batch 2 is held" in " ".join(lines)
    assert [n.subject for n in told] == [held.subject]
    assert (event.actor, event.subject) == ("driftdesk", held.subject)

    seen = training_data.read(store)
    assert [b.number for b in seen.batches] == [0, 1, 3, 4]
    assert seen.training["rides"].max() < 2_000
    assert seen.actual.max() < 2_000
    assert "2" not in set(seen.held_out_batches)
    house.check(later)
    assert report(store, later).note == ""
    assert first


def test_a_release_is_on_record_and_counts_from_then_on(
    store: Store, rides: Dataset, tmp_path: Path
) -> None:
    house, (*_, broken, good, _later) = broken_then_good(store, rides, tmp_path)
    house.check(broken)
    house.check(good)
    with store.begin() as work:
        with pytest.raises(ReasonRequired):
            batch_holds.release(work, broken, actor="ana", reason=" ")
        batch_holds.release(work, broken, actor="ana", reason="They are cents from now on.")
        work.commit()
    assert report(store, good).note == "batch 2 is held"  # a record
    house.check(good)
    assert report(store, good).reference_id == broken
    assert 2 in [b.number for b in training_data.read(store).batches]
    job = house.check(broken)
    assert job.result.recommendation == "block"
    assert not batch(store, broken).is_held  # a person has decided
    with store.begin() as work:
        (event,) = work.audit.latest(action="release batch")
        assert (event.actor, event.reason) == ("ana", "They are cents from now on.")
        with pytest.raises(IllegalTransition, match="is not held"):
            batch_holds.release(work, broken, actor="ana", reason="again")
        wide = work._connection.exec_driver_sql(
            "SELECT batch_number FROM data_comp ORDER BY batch_number"
        )
        assert [n for (n,) in wide] == [2, 3]  # one row a batch, though one was compared twice
        assert len(work.drift.latest(9, Reference.PREVIOUS, good)) == 2


def test_a_hold_by_hand_compares_again_what_was_compared_with_the_batch(
    store: Store, rides: Dataset, tmp_path: Path
) -> None:
    house = House(store, rides, tmp_path, days(15), days(15), days(15))
    first, second, third = house.take_in(3)
    house.check(second)
    house.check(third)
    assert report(store, third).reference_id == second
    with store.begin() as work:
        for job in work.jobs.open():
            work.jobs.cancel(job.id)
        again = batch_holds.hold(work, second, actor="ben", reason="The station was moved.")
        with pytest.raises(DecidedAlready, match="held already"):
            batch_holds.hold(work, second, actor="ben", reason="Twice.")
        work.commit()
    assert [job.args["batch_id"] for job in again] == [third]
    house.check(third)
    assert report(store, third).reference_id == first


def test_a_version_that_learned_from_a_held_batch_is_to_be_looked_at(
    store: Store, rides: Dataset, tmp_path: Path
) -> None:
    house = House(store, rides, tmp_path, days(15), days(15))
    _, second = house.take_in(2)
    house.train()
    with store.begin() as work:
        assert work.lineage.versions_of(second) == [1]
        batch_holds.hold(work, second, actor="ben", reason="Counted twice.")
        work.commit()
        (found,) = work.force_requests.follow_ups()
    assert found.subject == "version:1"
    assert found.text.startswith("Version 1 was trained on batch 1, which is held.")


def test_a_release_closes_the_follow_up_of_the_hold_and_of_nothing_else(store: Store) -> None:
    first, second = (build.stored_batch(store, number) for number in (1, 2))
    build.proposed(store, 1)
    with store.begin() as work:
        work.lineage.trained(1, [first.id, second.id])
        work.force_requests.open_follow_up(
            "version:1", "Version 1 was forced.", "ana", Cause.FORCED
        )
        for made in (first, second):
            batch_holds.hold(work, made.id, actor="ben", reason="Counted twice.")
        work.commit()
    with store.begin() as work:
        batch_holds.release(work, second.id, actor="ana", reason="It was right.")
        work.commit()
        left = [task.text for task in work.force_requests.follow_ups()]
        assert [text.partition(". ")[0] for text in left] == [
            "Version 1 was trained on batch 1, which is held",
            "Version 1 was forced.",
        ]
        batch_holds.release(work, first.id, actor="ana", reason="So was this.")
        work.commit()
        assert [t.text for t in work.force_requests.follow_ups()] == ["Version 1 was forced."]
        closed = work.force_requests.follow_ups(only_open=False)
    assert closed[0].note == "Batch 1 of epoch 1 was released by ana: So was this."


def test_a_candidate_that_learned_from_a_held_batch_needs_force_until_it_is_released(
    store: Store,
) -> None:
    made = build.stored_batch(store, 1)
    build.proposed(store, 1)
    with store.begin() as work:
        work.lineage.trained(1, [made.id])
        batch_holds.hold(work, made.id, actor="ben", reason="Counted twice.")
        work.commit()
    with store.begin() as work:
        promotion = work.promotions.of_version(1)
        (held,) = promotion.held
        told = f"Trained on batch 1, which was held on {held.held_at:%Y-%m-%d}: Counted twice."
        assert held.sentence == told
        found = recommend(promotion, None)
        assert (found.standing, found.approvable) == (Standing.NOT_RECOMMENDED, False)
        assert found.says.startswith(f"{told} Train again without it")
        with pytest.raises(IllegalTransition, match="Counted twice"):
            build.approve(work, 1)
        assert forced_promotions.force(work, 1, actor="ana", reason="no time")
    with store.begin() as work:
        batch_holds.release(work, made.id, actor="ben", reason="It was right.")
        assert build.approve(work, 1)


def test_a_batch_without_rows_is_not_held(store: Store) -> None:
    made = build.stored_batch(store, 1, rows=0)
    with store.begin() as work:
        with pytest.raises(IllegalTransition, match="nothing to hold"):
            batch_holds.hold(work, made.id, actor="ana", reason="x")
        assert batch_holds.hold_broken(work, made, ["empty"]) == []
        assert not work.batches.get(made.id).is_held


def test_a_reference_that_a_comparison_has_chosen_is_held_after_it(
    store: Store,
) -> None:
    first, second, third = (build.stored_batch(store, n) for n in range(3))
    url = store.engine.url.render_as_string(hide_password=False)
    impatient = Store.open(url, store.dataset, replace(WORKING, lock=1))
    with store.begin() as comparing:
        chosen = comparing.holds.lock_reference(third.id)
        assert chosen is not None
        assert chosen.id == second.id
        with pytest.raises(StoreBusy), impatient.begin() as work:
            batch_holds.hold(work, second.id, actor="ana", reason="x")
    with store.begin() as work:
        batch_holds.hold(work, second.id, actor="ana", reason="x")
        work.commit()
    with store.begin() as comparing:
        chosen = comparing.holds.lock_reference(third.id)
        assert chosen is not None
        assert chosen.id == first.id
    impatient.close()


def test_more_rows_than_fit_into_memory_are_refused_before_they_are_read(
    store: Store, rides: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(store, rides, tmp_path, days(15))
    house.take_in(1)
    monkeypatch.setattr(training_data, "MOST_VALUES", 12)
    with pytest.raises(TooMuchToTrainOn, match="driftdesk batch hold"):
        training_data.read(store)


def test_with_every_batch_held_there_is_nothing_to_train_on_and_that_is_said(
    store: Store, rides: Dataset, tmp_path: Path
) -> None:
    house = House(store, rides, tmp_path, days(15), days(15))
    for batch_id in house.take_in(2):
        with store.begin() as work:
            batch_holds.hold(work, batch_id, actor="ben", reason="Wrong city.")
            work.commit()
    with pytest.raises(NothingToTrainOn):
        training_data.read(store)
    job = train(house)
    assert job.state is JobState.FAILED
    assert "Every batch of epoch 1 is held (0, 1)" in job.error


def test_a_batch_without_rows_is_no_reference(store: Store, rides: Dataset, tmp_path: Path) -> None:
    house = House(store, rides, tmp_path, days(15), days(15), days(45))
    lines = (house.folder / "batch_1.csv").read_text(encoding="utf-8").splitlines()
    (house.folder / "batch_1.csv").write_text(lines[0] + "\n", encoding="utf-8")
    first, empty, third = house.take_in(3)
    assert batch(store, empty).stored == 0
    job = house.check(third)
    assert job.state is JobState.SUCCEEDED, job.error
    found = report(store, third)
    assert (found.reference_id, found.note) == (first, "batch 1 has no rows")
    (mean,) = [c for c in found.report.changes if c.name == "temperature_mean"]
    assert mean.ratio is not None
    assert 1.7 < mean.ratio < 2.3


@pytest.mark.parametrize("when", RetrainWhen)
def test_a_first_batch_without_rows_asks_for_no_training(
    store: Store, rides: Dataset, tmp_path: Path, when: RetrainWhen
) -> None:
    store.dataset = replace(rides, retrain_when=when)
    house = House(store, store.dataset, tmp_path, days(15))
    lines = (house.folder / "batch_0.csv").read_text(encoding="utf-8").splitlines()
    (house.folder / "batch_0.csv").write_text(lines[0] + "\n", encoding="utf-8")
    (empty,) = house.take_in(1)
    job = house.check(empty, trains=True)
    assert job.state is JobState.SUCCEEDED, job.error
    assert (job.result.required, job.result.retrain, job.result.train_job) == (False, False, None)
    assert job.result.recommendation == "ignore"
    assert "no retraining needed" in job.result.verdict


def test_a_batch_that_holds_nothing_cannot_be_held(store: Store) -> None:
    with store.begin() as work:
        epoch = work.batches.open_epoch()
        waiting = work.batches.receive(epoch.number, "h", "s.json", 1)
        with pytest.raises(IllegalTransition, match="no rows to hold"):
            batch_holds.hold(work, waiting.id, actor="ana", reason="x")


def test_two_who_hold_at_once_are_one_hold(store: Store) -> None:
    made = build.stored_batch(store)
    with store.begin() as work:
        assert work.holds.hold(made.id, "ana", "x", unless_released=False)
        assert not work.holds.hold(made.id, "ben", "y", unless_released=False)
        work.commit()
    assert batch(store, made.id).held_by == "ana"
