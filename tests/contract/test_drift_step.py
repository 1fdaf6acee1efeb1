"""The drift step: bands, limits in force, the champion's error, and what blocks training."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compose.data_api.options import Options
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.drift import Reference, RetrainWhen
from core.domain.jobs import Job, JobKind, JobState
from core.platform.dataset_file import load
from core.rules.drift.batch_verdict import Stand
from core.rules.drift.recommendation import Recommendation
from core.rules.ops.notification import Event
from core.usecases import decisions
from core.usecases.batch_facts import verdict_of
from tests import build
from tests.data_api.serving import Service
from tests.data_api.serving import serving as data_api
from tests.databases import migrated
from tests.fakes import FakeRegistry
from tests.work import ingest, run_job
from workers.evidence.champion_error import Weigh
from workers.steps.drift import CheckDrift
from workers.steps.train import Train

SEED = 11
Row = Callable[[random.Random], list[Any]]


@pytest.fixture(scope="module")
def rides() -> Dataset:
    return load(Path(__file__).parent.parent / "datasets" / "rides.toml")


@pytest.fixture
def store(tmp_path: Path, rides: Dataset) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    migrated(url, rides)
    opened = Store.open(url, rides)
    yield opened
    opened.close()


def days(warmth: float, unit: float = 1.0, bias: float = 0.0, called: str = "") -> Row:
    """Days of that warmth; if `called` is given, every weather has that name and no effect."""

    def row(dice: random.Random) -> list[Any]:
        weather = dice.choice(["sun", "rain", "fog"])
        degrees = round(dice.gauss(warmth, 4), 1)
        effect = 0 if called else {"sun": 200, "rain": -100, "fog": 0}[weather]
        count = max(0, 20 * degrees + effect + bias)
        day = f"2026-01-{dice.randint(1, 28):02}"
        return [day, called or weather, degrees * unit, 4.0, round(count)]

    return row


class House:
    """A store that takes in batches and compares them."""

    def __init__(self, store: Store, rides: Dataset, tmp_path: Path, *batches: Row) -> None:
        print("seed", SEED)
        dice = random.Random(SEED)
        self.store, self.spool = store, tmp_path / "spool"
        self.folder = tmp_path / "days"
        self.registry = FakeRegistry()
        self.folder.mkdir()
        for n, make in enumerate(batches):
            with (self.folder / f"batch_{n}.csv").open("w", encoding="utf-8", newline="") as file:
                out = csv.writer(file)
                out.writerow(rides.names)
                out.writerows(make(dice) for _ in range(400))

    @contextmanager
    def api(self) -> Iterator[Service]:
        with data_api(Options(folder=self.folder)) as api:
            yield api

    def next(self, api: Service) -> int:
        return int(ingest(self.store, api.url, self.spool).result.batch_id)

    def take_in(self, count: int, *, skip: int = 0) -> list[int]:
        with self.api() as api:
            for _ in range(skip):
                api.batch()
            return [self.next(api) for _ in range(count)]

    def train(self) -> None:
        step = Train(self.store.dataset, self.registry, False, lambda _job: None)  # type: ignore[arg-type]
        assert run_job(self.store, JobKind.TRAIN, step).state is JobState.SUCCEEDED
        with self.store.begin() as work:
            job = build.approve(work, 1)
            work.promotions.make_live(work.promotions.of_version(1))
            work.jobs.cancel(job.id)
            work.commit()
        self.registry.set_champion(1)

    def check(self, batch_id: int, *, trains: bool = False) -> Job:
        with self.store.begin() as work:
            for job in work.jobs.open():
                work.jobs.cancel(job.id)
            work.commit()
        weigh = Weigh(self.store.dataset, self.registry)  # type: ignore[arg-type]
        step = CheckDrift(self.store.dataset, trains, lambda _job: None, weigh)
        return run_job(self.store, JobKind.DRIFT, step, {"batch_id": batch_id})


def test_the_champions_error_stands_beside_its_earlier_error(
    store: Store, rides: Dataset, tmp_path: Path
) -> None:
    house = House(store, rides, tmp_path, days(15), days(15), days(15, bias=400))
    one, two, three = house.take_in(3)
    house.train()
    assert house.check(two).state is JobState.SUCCEEDED
    assert house.check(three).state is JobState.SUCCEEDED
    with store.read() as work:
        calm, biased = work.drift.advice(two), work.drift.advice(three)
        scores = work.scores.of(1, [one, two, three])
    assert [s.batch_id for s in scores] == [one, two, three]
    assert calm
    assert calm.error
    assert calm.error.earlier_batches == 1
    assert biased
    assert biased.error
    assert biased.error.earlier_batches == 2
    assert biased.error.rows == scores[2].rows > 20


@pytest.mark.parametrize("trouble", ["away", "gone", "tampered", "none"])
def test_whatever_is_wrong_with_the_champion_the_comparison_succeeds(
    store: Store, rides: Dataset, tmp_path: Path, trouble: str
) -> None:
    house = House(store, rides, tmp_path, days(15), days(15))
    one, two = house.take_in(2)
    if trouble != "none":
        house.train()
    house.registry.away = trouble == "away"
    if trouble == "gone":
        del house.registry._models[1]
    if trouble == "tampered":
        house.registry.tamper(1)
    job = house.check(two)
    assert job.state is JobState.SUCCEEDED, job.error
    with store.read() as work:
        advice = work.drift.advice(two)
    assert advice
    assert advice.error is None
    said = {"away": "did not answer", "gone": "cannot be scored", "tampered": "cannot be scored",
            "none": "No model was live"}  # fmt: skip
    assert said[trouble] in advice.error_note
    assert one


@pytest.mark.parametrize("when", RetrainWhen)
def test_a_category_that_the_champion_never_saw_does_not_pass_unless_the_rule_decides(
    store: Store, rides: Dataset, tmp_path: Path, when: RetrainWhen
) -> None:
    """Everything else is as it was: the rule's statistics cannot see it."""
    store.dataset = replace(rides, retrain_when=when)
    house = House(store, rides, tmp_path, days(15, called="for_sale"), days(15, called="sold"))
    house.take_in(1)
    house.train()
    (two,) = house.take_in(1, skip=1)
    job = house.check(two, trains=True)
    assert job.result.retrain is False
    assert job.result.recommendation == Recommendation.RETRAIN.value
    assert "the batch has new values: Weather" in job.result.advice[0]
    required = when is not RetrainWhen.RULE
    assert (job.result.required, job.result.retrain_when) == (required, when.value)
    with store.read() as work:
        told = [n.text for n in work.notifications.latest() if n.event is Event.BREACH]
        verdict = verdict_of(work, work.batches.get(two))
        opened = {j.id for j in work.jobs.open() if j.kind is JobKind.TRAIN}
        asked = {e.actor for e in work.audit.latest(action="request train")}
        (report,) = work.drift.latest(1, Reference.PREVIOUS, two)
    assert told == [job.result.verdict] * required
    assert opened == ({job.result.train_job} if required else set())
    assert ("driftdesk" in asked) is required  # by itself: nobody asked for it
    assert verdict.stand is (Stand.TRAINING if required else Stand.CALM)
    assert {r.change for r in report.report.measure_reasons} == {"weather_new", "weather_mix"}


def test_the_same_days_again_are_within_every_band_against_both_references(
    store: Store, rides: Dataset, tmp_path: Path
) -> None:
    store.dataset = replace(rides, retrain_when=RetrainWhen.BEYOND_NOISE)
    house = House(store, rides, tmp_path, days(15), days(15))
    _, two = house.take_in(2)
    house.train()
    assert house.check(two).result.required is False
    with store.read() as work:
        reports = work.drift.latest(4, batch_id=two)
    assert {r.reference for r in reports} == set(Reference)
    for report in reports:
        assert [m for m in report.report.measures if m.known and m.band is None] == []
        assert report.report.measure_reasons == ()


def test_a_breach_is_judged_by_the_limits_in_force(
    store: Store, rides: Dataset, tmp_path: Path
) -> None:
    house = House(store, rides, tmp_path, days(15), days(20))
    _, two = house.take_in(2)
    assert house.check(two).result.retrain is True
    with store.begin() as work:
        wanted: dict[tuple[str, str], float | None] = {
            (c.name, s): 5.0 for c in rides.compared for s in c.limits
        }
        decisions.set_limits(work, rides, wanted, actor="ana", reason="spring")
        work.commit()
    assert house.check(two).result.retrain is False
    with store.read() as work:
        (report,) = work.drift.latest(5, Reference.PREVIOUS, two)
    assert {c.limit for c in report.report.changes} == {5.0}
    assert any(c.band is not None for c in report.report.changes)


def test_a_broken_batch_is_blocked_and_does_not_train_by_itself(
    store: Store, rides: Dataset, tmp_path: Path
) -> None:
    house = House(store, rides, tmp_path, days(15), days(15, unit=1000.0))
    house.take_in(1)
    house.train()
    (two,) = house.take_in(1, skip=1)
    job = house.check(two, trains=True)
    assert job.result.retrain is True
    assert job.result.recommendation == Recommendation.BLOCK.value
    assert "1,000 times" in job.result.advice[0]
    assert job.result.train_job is None
    with store.read() as work:
        assert any("looks broken" in line.message for line in work.jobs.lines(job.id))


def test_too_few_held_out_rows_are_said(store: Store, rides: Dataset, tmp_path: Path) -> None:
    house = House(store, rides, tmp_path, days(15), days(15))
    lines = (house.folder / "batch_1.csv").read_text(encoding="utf-8").splitlines()
    (house.folder / "batch_1.csv").write_text("\n".join(lines[:30]) + "\n", encoding="utf-8")
    _, two = house.take_in(2)
    house.train()
    assert house.check(two).state is JobState.SUCCEEDED
    with store.read() as work:
        advice = work.drift.advice(two)
        (score,) = work.scores.of(1, [two])
    assert advice
    assert "are needed to know" in advice.error_note
    assert score.metrics == {}
