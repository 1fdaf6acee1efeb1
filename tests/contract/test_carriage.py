"""Models go from one MLflow to another with their numbers, their files and what is live."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from console.actions.backup.create import back_up
from console.actions.backup.restore import restore
from console.actions.backup.restore_dataset import restore_dataset
from console.desk import Desk
from core.adapters.mlflow.registry import Registry, digest_of
from core.adapters.mlflow.transfer import Carriage
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.errors import NotEmpty, RegistryUnavailable
from core.platform.settings import Settings
from serving.model.mlflow_rest import ChampionSource
from tests import build, stacks
from tests.build import contract, somebody
from tests.contract.test_backup import at_desk, empty, settings
from tests.contract.test_registry import publish
from tests.contract.test_registry_faults import files_of
from tests.databases import migrated
from tests.models import tiny_model

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations are not ours


@pytest.fixture(scope="module")
def other_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stacks.shared_starts(stacks.mlflow(tmp_path_factory.mktemp("other"))) as url:
        yield url


@pytest.fixture
def source(tmp_path: Path, dataset: Dataset, mlflow_uri: str) -> Settings:
    """Versions 1 and 3; 2 was deleted. 3 is live, and its dossier is on record."""

    told = settings(
        f"sqlite:///{tmp_path / 'source.db'}", tmp_path / "source",
        mlflow_tracking_uri=mlflow_uri, model_name=f"model-{uuid.uuid4().hex[:8]}",
    )  # fmt: skip
    migrated(told.database, dataset)
    registry = Registry(mlflow_uri, told.model_name)
    for number in (1, 2, 3):
        assert publish(registry, dataset, str(number), float(number)) == number
    MlflowClient(mlflow_uri, mlflow_uri).delete_model_version(told.model_name, "2")
    registry.set_champion(1)
    registry.set_champion(3)
    store = Store.open(told.database, dataset)
    model = tiny_model(contract(dataset), 3.0)
    build.live(store, 3, digest=digest_of(model))
    store.close()
    return told


@pytest.fixture
def saved(source: Settings, dataset: Dataset, tmp_path: Path) -> Path:
    with with_registry(source, dataset) as desk:
        return back_up(desk, somebody(), tmp_path / "saved.tar.gz").path


def with_registry(told: Settings, dataset: Dataset) -> Any:
    from contextlib import contextmanager

    @contextmanager
    def made() -> Iterator[Desk]:
        with at_desk(told, dataset) as desk:
            yield replace(desk, registry=Registry(told.mlflow_tracking_uri, told.model_name))

    return made()


def elsewhere(source: Settings, tmp_path: Path, uri: str) -> Settings:
    target = empty(tmp_path)
    return target.model_copy(update={"mlflow_tracking_uri": uri, "model_name": source.model_name})


def test_the_champion_is_served_again_under_its_number(
    source: Settings, saved: Path, dataset: Dataset, tmp_path: Path, other_mlflow: str
) -> None:
    target = elsewhere(source, tmp_path, other_mlflow)
    done = restore(target, somebody("ben"), saved)
    assert (done.versions, done.added_versions) == (2, 2)
    registry = Registry(other_mlflow, source.model_name)
    assert [(v.version, v.stage, v.is_champion) for v in registry.versions()] == [
        (3, "Production", True), (1, "Archived", False),
    ]  # fmt: skip
    for version in (1, 3):
        assert registry.fetch(version) == tiny_model(contract(dataset), float(version))
    served = ChampionSource(other_mlflow, source.model_name)  # as serving itself asks
    champion = served.champion()
    assert champion
    assert champion.version == 3
    assert digest_of(served.download(champion)) == champion.digest
    store = Store.open(target.database, dataset)
    with store.read() as work:
        live = work.promotions.live()
        assert live
        assert work.dossiers.get(live.dossier_digest)
        assert work.audit.verify() is None
    store.close()


def test_runs_keep_parameters_metrics_tags_and_files(
    source: Settings,
    saved: Path,
    tmp_path: Path,
    other_mlflow: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    capsys.readouterr()
    restore(elsewhere(source, tmp_path, other_mlflow), somebody("ben"), saved)
    assert "http" not in capsys.readouterr().out  # where others read JSON
    found = []
    for uri in (source.mlflow_tracking_uri, other_mlflow):
        carriage = Carriage(Registry(uri, source.model_name))
        versions = carriage.versions()
        files = {
            (v["version"], str(f.relative_to(root))): f.read_bytes()
            for v in versions
            for root in [carriage.download(v["version"], tmp_path / uuid.uuid4().hex / "x")]
            for f in root.rglob("*") if f.is_file()
        }  # fmt: skip
        found.append((carriage.model(), versions, files))
    assert found[0] == found[1]
    assert found[0][1][0]["run"]["params"] == {"rows": "10"}
    assert any(name.endswith("model.onnx") for _, name in found[0][2])


def test_a_restore_that_was_broken_off_goes_on_where_it_was(
    source: Settings, saved: Path, tmp_path: Path, other_mlflow: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    target = elsewhere(source, tmp_path, other_mlflow)
    register = Carriage._register

    def broken(self: Carriage, model_id: str, version: dict[str, Any], *rest: str) -> int:
        made = register(self, model_id, version, *rest) if after else 0
        if version["version"] == 3:
            raise KeyboardInterrupt
        return made or register(self, model_id, version, *rest)

    registry = Registry(other_mlflow, source.model_name)
    for after in (False, True):  # before the number is used up, and just then
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(Carriage, "_register", broken)
            restore(target, somebody("ben"), saved)
        assert [v.version for v in registry.versions()] == ([2, 1] if after else [1])
    done = restore(target, somebody("ben"), saved)
    assert done.added_versions == 1
    assert [v.version for v in registry.versions()] == [3, 1]
    assert registry.champion() == 3
    again = restore(target, somebody("ben"), saved, force=True)
    assert again.added_versions == 0
    client = MlflowClient(other_mlflow, other_mlflow)
    experiment = client.get_experiment_by_name(source.model_name)
    assert experiment
    assert len(client.search_runs([experiment.experiment_id])) == 2


def test_another_model_under_the_same_number_is_refused_before_anything_is_written(
    source: Settings, saved: Path, dataset: Dataset, tmp_path: Path, other_mlflow: str
) -> None:
    target = elsewhere(source, tmp_path, other_mlflow)
    publish(Registry(other_mlflow, source.model_name), dataset, "77", 7.0)
    with pytest.raises(NotEmpty, match="another model as version 1"):
        restore(target, somebody("ben"), saved)
    store = Store.open(target.database, dataset)
    with store.read() as work:
        assert work.promotions.live() is None
    store.close()
    done = restore(target, somebody("ben"), saved, models=False)
    assert done.added_versions == 0


def test_a_number_that_was_given_out_before_is_said(
    source: Settings, saved: Path, dataset: Dataset, tmp_path: Path, other_mlflow: str
) -> None:
    registry = Registry(other_mlflow, source.model_name)
    publish(registry, dataset, "1", 1.0)
    client = MlflowClient(other_mlflow, other_mlflow)
    client.delete_model_version(source.model_name, "1")
    with pytest.raises(NotEmpty, match="given out number 1"):
        restore(elsewhere(source, tmp_path, other_mlflow), somebody("ben"), saved)
    assert registry.versions() == []


def test_without_mlflow_a_backup_is_not_made_by_half(
    source: Settings, dataset: Dataset, tmp_path: Path
) -> None:
    away = source.model_copy(update={"mlflow_tracking_uri": "http://127.0.0.1:1"})
    where = tmp_path / "kept"
    where.mkdir()
    with with_registry(away, dataset) as desk, pytest.raises(RegistryUnavailable):
        back_up(desk, somebody(), where)
    assert list(where.iterdir()) == []


def test_case_f2_a_backup_saves_the_rest_and_names_the_version_without_files(
    source: Settings,
    dataset: Dataset,
    tmp_path: Path,
    other_mlflow: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    registry = Registry(source.mlflow_tracking_uri, source.model_name)
    for file in files_of(registry, 3, tmp_path_factory.getbasetemp()):
        file.parent.rename(tmp_path / "moved")
    with with_registry(source, dataset) as desk:
        made = back_up(desk, somebody(), tmp_path / "rest.tar.gz")
        with desk.store.read() as work:
            (event,) = work.audit.latest(action="backup")
    assert (made.versions, made.lost_versions) == (1, (3,))
    assert event.details["lost_versions"] == [3]
    target = elsewhere(source, tmp_path, other_mlflow)
    done = restore(target, somebody("ben"), made.path)
    assert (done.versions, done.added_versions, done.lost_versions) == (1, 1, (3,))
    there = Registry(other_mlflow, source.model_name)
    assert [v.version for v in there.versions()] == [1]
    assert there.champion() is None  # nothing to answer with
    # Version 3 is on record, and its number is given to no other model.
    assert publish(there, dataset, "4", 4.0, above=3) == 4


def test_a_dataset_alone_brings_its_versions_and_what_is_live(
    source: Settings, saved: Path, dataset: Dataset, tmp_path: Path, other_mlflow: str
) -> None:
    target = elsewhere(source, tmp_path, other_mlflow)
    done = restore_dataset(target, somebody("ben"), saved, dataset.name)
    assert (done.versions, done.added_versions) == (2, 2)
    there = Registry(other_mlflow, source.model_name)
    assert publish(there, dataset, "4", 4.0, above=3) == 4
    there.set_champion(4)
    store = Store.open(target.database, dataset)
    build.live(store, 4)
    again = restore_dataset(target, somebody("ben"), saved, dataset.name, force=True)
    assert again.added_versions == 0
    assert [v.version for v in there.versions()] == [4, 3, 1]  # none is deleted
    with store.read() as work:
        assert (there.champion(), work.promotions.live_version()) == (3, 3)
    store.close()
