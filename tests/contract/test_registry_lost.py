"""Cases F1, F2 and G through the jobs, on a real MLflow: what each says, and what goes on."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.adapters.mlflow.registry import Registry
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.jobs import Job, JobState
from core.usecases import forced_promotions
from tests.build import approve
from tests.contract.test_pipeline import (
    finish_promotion,
    folder,  # noqa: F401 - a fixture
    judge,
    ready,
    rides,  # noqa: F401 - a fixture
    train,
)
from tests.contract.test_registry_faults import client_of, files_of
from tests.databases import migrated

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations are not ours

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def store(tmp_path: Path, rides: Dataset) -> Iterator[Store]:  # noqa: F811
    url = f"sqlite:///{tmp_path / 'store.db'}"
    migrated(url, rides)
    opened = Store.open(url, rides)
    yield opened
    opened.close()


@pytest.fixture
def registry(mlflow_uri: str) -> Registry:
    return Registry(mlflow_uri, f"model-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def live(store: Store, folder: Path, tmp_path: Path, registry: Registry) -> Registry:  # noqa: F811
    """Version 1 is trained and live."""
    ready(store, folder, tmp_path, batches=2)
    job = train(store, registry)
    assert job.state is JobState.SUCCEEDED, job.error
    registry.set_champion(1)
    with store.begin() as work:
        approve(work, 1, champion=None)
        work.promotions.make_live(work.promotions.of_version(1))
        for open_job in work.jobs.open():
            work.jobs.cancel(open_job.id)
        work.commit()
    return registry


def log_of(store: Store, job: Job) -> str:
    with store.read() as work:
        return "\n".join(line.message for line in work.jobs.lines(job.id))


def test_case_f2_training_goes_on_without_a_comparison_and_says_so(
    store: Store, live: Registry, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.getbasetemp()
    for file in files_of(live, 1, root):
        file.parent.rename(tmp_path / "moved")
    lost = f"MLflow has no model file of version 1 of {live.name}"
    trained = train(store, live)
    assert trained.state is JobState.SUCCEEDED, trained.error
    assert lost in log_of(store, trained)
    with store.read() as work:
        assert work.promotions.of_version(2).dossier.champion is None
    judged = judge(store, live, 2)
    assert judged.state is JobState.SUCCEEDED, judged.error
    assert lost in log_of(store, judged)
    again = judge(store, live, 1)
    assert again.state is JobState.FAILED
    assert lost in again.error


def test_case_f2_a_promotion_without_its_file_says_so_and_moves_no_alias(
    store: Store, live: Registry, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert train(store, live).state is JobState.SUCCEEDED
    with store.begin() as work:
        for version in (1, 2):
            promotion = work.promotions.of_version(version)
            assert promotion.dossier_digest
        forced_promotions.force(work, 2, actor="ana", champion=1, reason="the test asks for it")
        work.commit()
    for file in files_of(live, 2, tmp_path_factory.getbasetemp()):
        file.unlink()
    job = finish_promotion(store, live, NOWHERE)  # type: ignore[arg-type]
    assert job.state is JobState.FAILED
    assert f"MLflow has no model file of version 2 of {live.name}" in job.error
    assert live.champion() == 1


def test_case_f1_training_names_the_deleted_experiment_before_it_fits(
    store: Store, live: Registry
) -> None:
    client = client_of(live)
    experiment = client.get_experiment_by_name(live.name)
    assert experiment
    client.delete_experiment(experiment.experiment_id)
    job = train(store, live)
    assert job.state is JobState.FAILED
    assert f"The experiment {live.name} is deleted in MLflow" in job.error
    assert job.progress < 0.1


def test_case_g_training_refuses_a_number_that_is_on_record(store: Store, live: Registry) -> None:
    assert train(store, live).result.version == 2
    client_of(live).rename_registered_model(live.name, f"{live.name}-old")
    job = train(store, live)
    assert job.state is JobState.FAILED
    assert f"MLflow counts the versions of {live.name} from 1" in job.error
    assert "versions up to 2 on record" in job.error
    with store.read() as work:
        assert [p.version for p in work.promotions.latest()] == [2, 1]
        assert work.promotions.live()
    assert live.versions() == []
    client_of(live).rename_registered_model(f"{live.name}-old", live.name)
    after = train(store, live)
    assert after.result.version == 3, after.error


def test_case_g_a_version_that_somebody_judged_meanwhile_is_no_integrity_error(
    store: Store, live: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.usecases import decisions

    published = live.publish

    def adopted(*args: object, **kwargs: object) -> int:
        version = published(*args, **kwargs)  # type: ignore[arg-type]
        with store.begin() as work:
            decisions.adopt(work, version, actor="ben", digest="x")
            work.commit()
        return version

    monkeypatch.setattr(live, "publish", adopted)
    job = train(store, live)
    assert job.state is JobState.FAILED
    assert "Version 2 is on record already, proposed by ben" in job.error
