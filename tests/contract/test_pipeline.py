"""Ingest to served model in one process: the steps on real stores, a real data API, real ONNX."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from compose.data_api.options import Options
from core.adapters.mlflow.registry import digest_of
from core.adapters.serving.replicas import Serving
from core.adapters.store import Store
from core.adapters.store.tables import predictions
from core.domain.dataset import Dataset
from core.domain.dossier import Replay
from core.domain.drift import Reference
from core.domain.errors import IllegalTransition, StaleDossier
from core.domain.jobs import Job, JobKind, JobState
from core.domain.promotions import PromotionState, Verdict
from core.platform.dataset_file import load
from core.platform.settings import Settings
from core.rules.model.verdict_validity import Standing, recommend
from core.usecases import decisions, forced_promotions
from serving.http.app import create_app
from serving.model.mlflow_rest import Champion
from tests import build
from tests.data_api.serving import serving as data_api
from tests.databases import migrated
from tests.fakes import FakeRegistry
from tests.stacks import serve, wait_for
from tests.work import ingest, run_job
from workers.steps.drift import CheckDrift
from workers.steps.judge import Judge
from workers.steps.promote import Promote
from workers.steps.train import Train

SEED = 7


RIDES = Path(__file__).parent.parent / "datasets" / "rides.toml"


@pytest.fixture(scope="module")
def rides() -> Dataset:
    return load(RIDES)


@pytest.fixture
def store(empty_database: str, rides: Dataset) -> Iterator[Store]:
    migrated(empty_database, rides)
    opened = Store.open(empty_database, rides)
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path, rides: Dataset) -> Path:
    """Three batches of days: warm, warm, and a heat wave."""
    print("seed", SEED)
    dice = random.Random(SEED)
    folder = tmp_path / "days"
    folder.mkdir()
    for n, warmth in enumerate((15, 15, 30)):
        with (folder / f"batch_{n}.csv").open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file)
            out.writerow(rides.names)
            for i in range(200):
                weather = dice.choice(["sun", "rain", "søl"])
                degrees = round(dice.gauss(warmth, 4), 1)
                count = max(0, 20 * degrees + {"sun": 200, "rain": -100, "søl": 0}[weather])
                empty = dice.random() < 0.1
                day = f"2026-{n + 1:02}-{i % 28 + 1:02}"
                out.writerow([day, weather, "" if empty else degrees, 4.0, round(count)])
    return folder


class RegistrySource:
    """Serving's view of a fake registry."""

    def __init__(self, registry: FakeRegistry) -> None:
        self.registry = registry

    def champion(self) -> Champion | None:
        version = self.registry.champion()
        return Champion(version, self.registry._digests[version]) if version else None

    def download(self, champion: Champion) -> bytes:
        return self.registry._models[champion.version]


@contextmanager
def served(registry: FakeRegistry, folder: Path) -> Iterator[str]:
    settings = Settings(
        _env_file=None,
        data_dir=folder / "serving",
        dataset=str(RIDES),
        database_url=f"sqlite:///{folder / 'log.db'}",
        serving_poll=0.05,
    )
    with serve(create_app(settings, RegistrySource(registry))) as url:
        yield url


def train(store: Store, registry: Any, *, promotes: bool = False) -> Job:
    """Train; each time with another revision of the dataset file, or nothing new would come of it.

    A label makes another model file that gives the same answers.
    """
    with store.read() as work:
        n = len(work.promotions.latest())
    revised = revision(store, n)
    step = Train(revised.dataset, registry, promotes, lambda _job: None)
    return run_job(revised, JobKind.TRAIN, step)


def revision(store: Store, n: int) -> Store:
    """The same store with a dataset file that was edited so many times."""
    first, *rest = store.dataset.columns
    edited = replace(first, label=first.label + "." * n)
    return Store(store.engine, replace(store.dataset, columns=(edited, *rest)))


def check(store: Store, batch_id: int, *, trains: bool = False) -> Job:
    step = CheckDrift(store.dataset, trains, lambda _job: None)
    with store.read() as work:
        waiting = [j for j in work.jobs.open() if j.kind is JobKind.DRIFT]
    with store.begin() as work:
        for job in waiting:
            work.jobs.cancel(job.id)
        work.commit()
    return run_job(store, JobKind.DRIFT, step, {"batch_id": batch_id})


def promote(store: Store, registry: Any, url: str, version: int, *, force: bool = False) -> Job:
    """An approval, or a force for a version that is no better than the one before."""
    with store.begin() as work:
        if force:
            forced_promotions.force(work, version, actor="ana", reason="to have two")
        else:
            build.approve(work, version, champion=registry.champion())
        work.commit()
    return finish_promotion(store, registry, url)


def finish_promotion(store: Store, registry: Any, url: str, seconds: float = 10.0) -> Job:
    with store.read() as work:
        (job,) = [j for j in work.jobs.open() if j.kind is JobKind.PROMOTE]
    with store.begin() as work:
        work.jobs.cancel(job.id)
        work.commit()
    return run_job(store, JobKind.PROMOTE, Promote(registry, Serving([url]), seconds), job.args)


def test_the_whole_pipeline_on_a_dataset_of_ones_own(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    registry = FakeRegistry()
    with data_api(Options(folder=folder)) as api, served(registry, tmp_path) as url:
        first = ingest(store, api.url, tmp_path / "spool")
        assert first.result.stored == 200
        assert check(store, first.result.batch_id).result.retrain is True  # the first of all
        trained = train(store, registry)
        assert trained.state is JobState.SUCCEEDED, trained.error
        assert trained.result.recommended is True
        with store.read() as work:
            assert work.notifications.latest()[0].text.startswith("Version 1 awaits approval (rec")
        assert trained.result.metrics["r2"] > 0.8
        assert promote(store, registry, url, 1).state is JobState.SUCCEEDED

        row = {"day": "2026-01-05", "weather": "sun", "temperature": 15}
        answer = requests.post(f"{url}/predict", json=row, timeout=5).json()
        assert answer["model_version"] == 1
        assert answer["prediction"] == pytest.approx(500, rel=0.2)
        contract = requests.get(f"{url}/model", timeout=5).json()["contract"]
        assert [f["name"] for f in contract["fields"]] == ["day", "weather", "temperature"]

        second = ingest(store, api.url, tmp_path / "spool")
        calm = check(store, second.result.batch_id)
        assert calm.result.retrain is False
        third = ingest(store, api.url, tmp_path / "spool")
        hot = check(store, third.result.batch_id, trains=True)
        assert hot.result.retrain is True
        assert "Temperature, mean rose" in " ".join(hot.result.reasons)
        assert hot.result.train_job is not None
    with store.read() as work:
        kinds = [r.reference for r in work.drift.latest(10)]
    assert kinds.count(Reference.CHAMPION) == 2


def ready(store: Store, folder: Path, tmp_path: Path, batches: int = 1) -> None:
    with data_api(Options(folder=folder)) as api:
        for _ in range(batches):
            assert ingest(store, api.url, tmp_path / "spool").state is JobState.SUCCEEDED


def test_candidate_and_champion_are_scored_on_the_same_rows(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    registry = FakeRegistry()
    ready(store, folder, tmp_path)
    train(store, registry)
    registry.set_champion(1)
    with data_api(Options(folder=folder)) as api:
        api.batch()
        for _ in range(2):
            ingest(store, api.url, tmp_path / "spool")
    second = train(store, registry)
    assert second.result.version == 2
    with store.read() as work:
        dossier = work.promotions.of_version(2).dossier
        held_out = work.rows.count(held_out=True)
    assert dossier.held_out_rows == held_out
    assert dossier.champion.version == 1
    # Version 1 never saw a heat wave, so the very rows that version 2 is scored on are hard for it.
    assert dossier.champion.metrics["rmse"] > 2 * dossier.candidate.metrics["rmse"]
    assert second.result.recommended is True
    assert [b.number for b in dossier.batches] == [0, 1, 2]


def test_training_again_on_the_same_rows_gives_the_same_model(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    one, other = FakeRegistry(), FakeRegistry()
    ready(store, folder, tmp_path)
    train(store, one)
    step = Train(store.dataset, other, False, lambda _job: None)
    with store.begin() as work:  # as if on another desk
        work.promotions._connection.exec_driver_sql("DELETE FROM promotions")
        work.promotions._connection.exec_driver_sql(
            "DELETE FROM column_profiles WHERE owner = 'model'"
        )
        work.commit()
    run_job(store, JobKind.TRAIN, step)
    assert digest_of(one.fetch(1)) == digest_of(other.fetch(1))


def test_without_rows_training_says_what_to_do(store: Store) -> None:
    job = train(store, FakeRegistry())
    assert (job.state, "Ingest one first" in job.error) == (JobState.FAILED, True)


def test_a_registry_that_is_away_fails_the_job_and_proposes_nothing(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    registry = FakeRegistry()
    ready(store, folder, tmp_path)
    registry.away = True
    assert train(store, registry).state is JobState.FAILED
    with store.read() as work:
        assert work.promotions.latest() == []


def test_promotion_auto_approves_what_is_recommended(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    registry = FakeRegistry()
    ready(store, folder, tmp_path)
    job = train(store, registry, promotes=True)
    assert job.result.promote_job is not None
    with served(registry, tmp_path) as url:
        assert finish_promotion(store, registry, url).state is JobState.SUCCEEDED
    with store.read() as work:
        live = work.promotions.live()
    assert live is not None
    assert (live.version, live.decided_by) == (1, "auto")


def two_versions(store: Store, folder: Path, tmp_path: Path) -> FakeRegistry:
    """The second one was judged against the first, which is about to be promoted."""
    registry = FakeRegistry()
    ready(store, folder, tmp_path)
    train(store, registry)
    registry.set_champion(1)
    train(store, registry)
    registry.set_champion(None)
    return registry


def test_promote_then_roll_back(store: Store, folder: Path, tmp_path: Path) -> None:
    registry = two_versions(store, folder, tmp_path)
    with served(registry, tmp_path) as url:
        promote(store, registry, url, 1)
        promote(store, registry, url, 2, force=True)
        with store.begin() as work:
            decisions.roll_back(work, actor="ana", reason="worse in the field")
            work.commit()
        assert finish_promotion(store, registry, url).state is JobState.SUCCEEDED
        assert requests.get(f"{url}/model", timeout=5).json()["version"] == 1
    with store.read() as work:
        states = {p.version: p.state for p in work.promotions.latest()}
        actions = [e.action for e in work.audit.latest()]
    assert states == {1: PromotionState.LIVE, 2: PromotionState.RETIRED}
    assert actions[:2] == ["live", "rollback"]


def judge(store: Store, registry: Any, version: int) -> Job:
    return run_job(store, JobKind.JUDGE, Judge(registry), {"version": version})


def test_candidates_follow_the_champion(store: Store, folder: Path, tmp_path: Path) -> None:
    registry = two_versions(store, folder, tmp_path)
    with served(registry, tmp_path) as url:
        promote(store, registry, url, 1)
        train(store, registry)
        with store.begin() as work:
            before = work.promotions.of_version(3)
            assert before.compared_with == 1
            good = Verdict(True, ("Good.",))  # as if it had been recommended
            work.promotions.replace_evidence(before, good, before.dossier, before.dossier_digest)
            work.commit()
        promote(store, registry, url, 2, force=True)
    with store.begin() as work:
        with pytest.raises(StaleDossier, match="version 2 is live now"):
            build.approve(work, 3)
        (asked,) = [j for j in work.jobs.open() if j.kind is JobKind.JUDGE]
        assert (asked.args, asked.actor) == ({"version": 3}, "driftdesk")
        work.jobs.cancel(asked.id)
        work.commit()
    assert judge(store, registry, 3).result.judged == 3
    with store.read() as work:
        after = work.promotions.of_version(3)
        assert after.compared_with == 2
        assert after.dossier_digest != before.dossier_digest
        assert work.dossiers.get(before.dossier_digest).champion.version == 1
        assert recommend(after, 2).standing is Standing.NOT_RECOMMENDED  # the same rows again
        told = work.notifications.latest(1)[0]
    assert told.text.startswith("Version 3 awaits approval (not recommended): The root mean")


def test_a_model_file_that_was_replaced_is_judged_in_no_state_and_never_served(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    registry = two_versions(store, folder, tmp_path)
    with served(registry, tmp_path) as url:
        promote(store, registry, url, 1)
        with store.read() as work:
            known = work.promotions.known([1, 2])
        for version in (1, 2):  # live, and proposed
            registry.replace(version, registry.fetch(version) + b"\0")
            job = judge(store, registry, version)
            assert job.state is JobState.FAILED
            assert f"another file of version {version}" in job.error
        with store.read() as work:
            assert work.promotions.known([1, 2]) == known
        job = promote(store, registry, url, 2, force=True)
        assert (job.state, registry.champion()) == (JobState.FAILED, 1)
        assert "another file of version 2" in job.error


def test_a_live_version_that_is_judged_again_keeps_the_dossier_it_was_decided_on(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    registry = two_versions(store, folder, tmp_path)
    with served(registry, tmp_path) as url:
        promote(store, registry, url, 1)
    with store.read() as work:
        before = work.promotions.of_version(1)
    job = judge(store, registry, 1)
    assert job.state is JobState.SUCCEEDED, job.error
    with store.read() as work:
        assert work.promotions.of_version(1) == before
        assert len(work.dossiers.of_version(1)) == 2  # it can be read
        assert work.audit.latest(action="re-evaluate") == []
    (note,) = job.result.reasons
    assert "kept for reading" in note
    assert "It is the live version itself" in note


def test_a_champion_that_cannot_be_scored_leaves_a_gate_open(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    registry = two_versions(store, folder, tmp_path)
    with served(registry, tmp_path) as url:
        promote(store, registry, url, 1)
    registry.tamper(1)
    assert judge(store, registry, 2).state is JobState.SUCCEEDED
    with store.begin() as work:
        seen = work.promotions.of_version(2)
        assert seen.compared_with == 1
        assert [gate.name for gate in seen.failed_gates] == ["compared"]
        with pytest.raises(IllegalTransition, match="Version 1 cannot be scored"):
            build.approve(work, 2)


def test_a_model_that_is_worth_no_more_than_the_median_is_not_promoted_unasked(
    store: Store, tmp_path: Path, rides: Dataset
) -> None:
    print("seed", SEED)
    dice = random.Random(SEED)
    folder = tmp_path / "noise"
    folder.mkdir()
    with (folder / "batch_0.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(rides.names)
        for i in range(200):
            weather = dice.choice(["sun", "rain", "søl"])
            out.writerow(
                [f"2026-01-{i % 28 + 1:02}", weather, round(dice.gauss(15, 4), 1), 4.0,
                 round(dice.lognormvariate(5, 1))]
            )  # fmt: skip
    registry = FakeRegistry()
    ready(store, folder, tmp_path)
    job = train(store, registry, promotes=True)
    assert (job.result.recommended, job.result.promote_job) == (False, None)
    with store.read() as work:
        promotion = work.promotions.of_version(1)
        assert [gate.name for gate in promotion.failed_gates] == ["better than the median"]
        assert promotion.dossier.baseline.metrics["rmse"] > 0
        lines = [line.message for line in work.jobs.lines(job.id, 100)]
        (notice,) = work.notifications.latest()
    assert any("PROMOTION=auto leaves version 1 to a person" in line for line in lines)
    assert notice.text.startswith("Version 1 awaits approval (not recommended): Not clearly")


def test_rows_on_both_sides_of_the_split_block_the_candidate(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    registry = FakeRegistry()
    ready(store, folder, tmp_path)
    with store.begin() as work:  # somebody moves a held-out row among those that are learned from
        table = sa.table(store.dataset.rows_table, sa.column("id"), sa.column("held_out"))
        rows = work.rows._connection.execute(sa.select(table.c.id, table.c.held_out)).all()
        moved = next(row.id for row in rows if not row.held_out)
        work.rows._connection.execute(
            sa.update(table).where(table.c.id == moved).values(held_out=True)
        )
        work.commit()
    job = train(store, registry)
    assert job.result.recommended is False
    with store.begin() as work:
        promotion = work.promotions.of_version(1)
        assert promotion.dossier.overlap == 1
        assert [gate.name for gate in promotion.failed_gates] == ["no overlap"]
        with pytest.raises(IllegalTransition, match="worth nothing"):
            build.approve(work, 1)


def test_serving_must_give_the_answers_that_the_dossier_foretold(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    registry = two_versions(store, folder, tmp_path)
    with served(registry, tmp_path) as url:
        promote(store, registry, url, 1)
        with store.begin() as work:
            promotion = work.promotions.of_version(2)
            content = work.dossiers.get(promotion.dossier_digest)
            assert len(content.golden) == 5
            golden = list(content.golden)
            golden[3] = replace(golden[3], prediction=golden[3].prediction * 1.001)
            content = replace(content, golden=tuple(golden))
            work.promotions.replace_evidence(
                promotion, promotion.verdict, promotion.dossier, work.dossiers.freeze(content)
            )
            forced_promotions.force(work, 2, actor="ana", reason="to see what serving says")
            work.commit()
        job = finish_promotion(store, registry, url)
        assert job.state is JobState.FAILED
        assert "the dossier foretold" in job.error
        assert registry.champion() == 1
    with store.read() as work:
        (event,) = work.audit.latest(action="promotion failed")
    assert event.details["restored"] is True
    # What it answers with then: it follows the alias, which was put back, in its own time.
    assert event.details["serving"] in ({url: 2}, {url: 1})


def test_latest_requests_are_replayed_on_both_models(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    registry = FakeRegistry()
    ready(store, folder, tmp_path)
    train(store, registry)
    registry.set_champion(1)
    with store.begin() as work:
        work.predictions._connection.execute(
            sa.insert(predictions),
            [
                {"id": str(n), "at": build.NOON, "model_version": 1, "prediction": 1.0,
                 "inputs": {"day": "2026-01-05", "weather": "sun", "temperature": n}}
                for n in range(3)
            ] + [{"id": "x", "at": build.NOON, "model_version": 1, "prediction": 1.0,
                  "inputs": {"colour": "red"}}],
        )  # fmt: skip
        work.commit()
    train(store, registry)
    with store.read() as work:
        assert work.promotions.of_version(2).dossier.replay == Replay(3, 1, 0.0)


@pytest.mark.parametrize("trouble", ["serving is away", "the file was changed"])
def test_what_cannot_be_served_is_put_back_and_said(
    store: Store, folder: Path, tmp_path: Path, trouble: str
) -> None:
    registry = two_versions(store, folder, tmp_path)
    with served(registry, tmp_path) as url:
        promote(store, registry, url, 1)
        with store.begin() as work:
            forced_promotions.force(work, 2, actor="ana", reason="to see what serving says")
            work.commit()
        if trouble == "the file was changed":
            registry.tamper(2)
        where = "http://127.0.0.1:1" if trouble == "serving is away" else url
        job = finish_promotion(store, registry, where, seconds=0.5)
        assert job.state is JobState.FAILED
        assert registry.champion() == 1
        wait_for(
            "version 1 does not answer",
            lambda: requests.get(f"{url}/model", timeout=5).json()["version"] == 1,
        )
    with store.read() as work:
        failed = work.promotions.of_version(2)
        live = work.promotions.live()
    assert failed.state is PromotionState.FAILED
    assert "Restored: the registry names version 1 again" in failed.failure
    assert live is not None
    assert live.version == 1
