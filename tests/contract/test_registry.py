"""The registry, faked and real: the same promises of both."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from core.dataset import Dataset
from core.errors import Missing, ModelRefused, RegistryUnavailable
from core.registry import Registry, digest_of
from tests.build import contract
from tests.fakes import FakeRegistry
from tests.models import tiny_model

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations are not ours


@pytest.fixture(params=["fake", "mlflow"])
def registry(request: pytest.FixtureRequest) -> Any:
    if request.param == "fake":
        return FakeRegistry()
    return Registry(request.getfixturevalue("mlflow_uri"), f"model-{uuid.uuid4().hex[:8]}")


def publish(registry: Any, dataset: Dataset, job: str = "1", factor: float = 1.0) -> int:
    model = tiny_model(contract(dataset), factor)
    return int(
        registry.publish(
            model,
            job=job,
            parameters={"rows": 10},
            metrics={"mae": 1.0},
            tags={},
            signature=None,
            requirements=["onnxruntime"],
        )
    )


def test_versions_count_up_and_come_back_as_published(registry: Any, dataset: Dataset) -> None:
    assert registry.versions() == []
    assert registry.champion() is None
    first, second = publish(registry, dataset), publish(registry, dataset, "2", 2.0)
    assert (first, second) == (1, 2)
    assert registry.fetch(2) == tiny_model(contract(dataset), 2.0)
    assert [v.digest for v in registry.versions()] == [
        digest_of(tiny_model(contract(dataset), f)) for f in (2.0, 1.0)
    ]


def test_a_job_that_runs_again_finds_the_version_that_it_published(
    registry: Any, dataset: Dataset
) -> None:
    assert publish(registry, dataset, "7") == publish(registry, dataset, "7")
    assert len(registry.versions()) == 1


def test_the_alias_names_one_champion_and_the_stages_mirror_it(
    registry: Any, dataset: Dataset
) -> None:
    for job in ("1", "2"):
        publish(registry, dataset, job, float(job))
    for version in (1, 2, 1):
        registry.set_champion(version)
        assert registry.champion() == version
        assert [v.version for v in registry.versions() if v.is_champion] == [version]
        assert [v.version for v in registry.versions() if v.stage == "Production"] == [version]
    registry.set_champion(None)
    assert registry.champion() is None
    assert not [v for v in registry.versions() if v.stage == "Production"]


def test_what_is_not_there_is_said_to_be_missing(registry: Any, dataset: Dataset) -> None:
    publish(registry, dataset)
    with pytest.raises(Missing):
        registry.fetch(99)
    with pytest.raises(Missing):
        registry.set_champion(99)


def test_a_file_that_was_changed_is_refused(
    registry: Any, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> None:
    version = publish(registry, dataset)
    if isinstance(registry, FakeRegistry):
        registry.tamper(version)
    else:
        digest = registry.versions()[0].digest
        for file in tmp_path_factory.getbasetemp().rglob("model.onnx"):
            if digest_of(file.read_bytes()) == digest:
                Path(file).write_bytes(file.read_bytes() + b"x")
    with pytest.raises(ModelRefused):
        registry.fetch(version)


def test_an_mlflow_that_is_away_is_said_to_be_away(dataset: Dataset) -> None:
    with pytest.raises(RegistryUnavailable, match="MLFLOW_TRACKING_URI"):
        Registry("http://127.0.0.1:1", "none").champion()
