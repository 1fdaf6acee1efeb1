"""The registry, faked and real: the same promises of both."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from core.adapters.mlflow.registry import Registry, digest_of
from core.domain.dataset import Dataset
from core.domain.errors import LeaseLost, Missing, ModelRefused, RegistryUnavailable
from core.domain.registry_names import JOB_TAG
from tests.build import contract
from tests.fakes import FakeRegistry
from tests.models import tiny_model

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations are not ours


@pytest.fixture(params=["fake", "mlflow"])
def registry(request: pytest.FixtureRequest) -> Any:
    if request.param == "fake":
        return FakeRegistry()
    return Registry(request.getfixturevalue("mlflow_uri"), f"model-{uuid.uuid4().hex[:8]}")


def publish(
    registry: Any,
    dataset: Dataset,
    job: str = "1",
    factor: float = 1.0,
    fence: Callable[[], None] = lambda: None,
    above: int = 0,
) -> int:
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
            above=above,
            fence=fence,
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


def test_the_training_run_of_a_version_has_its_parameters_and_its_job(
    registry: Any, dataset: Dataset
) -> None:
    publish(registry, dataset, "12")
    run = registry.training_run(1)
    assert run.params == {"rows": "10"}
    assert run.tags[JOB_TAG] == "12"
    assert run.id
    assert run.experiment
    with pytest.raises(Missing):
        registry.training_run(2)


def test_metrics_are_added_to_those_of_the_run(registry: Any, dataset: Dataset) -> None:
    publish(registry, dataset)
    registry.log_metrics(1, {"late": 0.25})
    if isinstance(registry, FakeRegistry):
        found = registry.metrics[1]
    else:
        run = registry.api.version(1).run_id
        found = {key: registry.tracking.history(run, key)[-1].value for key in ("mae", "late")}
    assert found == {"mae": 1.0, "late": 0.25}
    with pytest.raises(Missing):
        registry.log_metrics(2, {"late": 0.25})


def test_a_job_that_runs_again_finds_the_version_that_it_published(
    registry: Any, dataset: Dataset
) -> None:
    assert publish(registry, dataset, "7") == publish(registry, dataset, "7")
    assert len(registry.versions()) == 1


def test_an_attempt_that_was_overtaken_registers_nothing(registry: Any, dataset: Dataset) -> None:
    def taken_over() -> None:
        raise LeaseLost("Job 7 was taken over by another worker.")

    with pytest.raises(LeaseLost):
        publish(registry, dataset, "7", fence=taken_over)
    assert registry.versions() == []


def test_two_attempts_that_register_at_once_come_to_one_version(
    mlflow_uri: str, dataset: Dataset
) -> None:
    name = f"model-{uuid.uuid4().hex[:8]}"
    late, early = Registry(mlflow_uri, name), Registry(mlflow_uri, name)
    calls: list[int] = []

    def overtaken_after_the_check() -> None:
        calls.append(len(calls))
        if len(calls) == 2:  # right before it registers, the other attempt does
            assert publish(early, dataset, "7") == 1

    assert publish(late, dataset, "7", fence=overtaken_after_the_check) == 1
    assert [v.version for v in late.versions()] == [1]


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


def test_a_missing_version_raises_missing(registry: Any, dataset: Dataset) -> None:
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


def test_an_unreachable_mlflow_is_reported(dataset: Dataset) -> None:
    with pytest.raises(RegistryUnavailable, match="MLFLOW_TRACKING_URI"):
        Registry("http://127.0.0.1:1", "none").champion()


def test_files_of_a_training_are_kept_with_its_run(mlflow_uri: str, dataset: Dataset) -> None:
    registry = Registry(mlflow_uri, f"model-{uuid.uuid4().hex[:8]}")
    version = registry.publish(
        tiny_model(contract(dataset)),
        job="1",
        parameters={},
        metrics={},
        tags={},
        signature=None,
        requirements=["onnxruntime"],
        files={"metrics.json": b"{}", "plots/curve.svg": b"<svg/>"},
    )
    client = MlflowClient(mlflow_uri, mlflow_uri)
    run = client.get_model_version(registry.name, str(version)).run_id
    assert run
    names = [f.path for f in client.list_artifacts(run, "training")]
    assert names == ["training/metrics.json", "training/plots"]
    plots = [f.path for f in client.list_artifacts(run, "training/plots")]
    assert plots == ["training/plots/curve.svg"]
