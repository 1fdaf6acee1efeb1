"""A dataset's own metrics from training to the dossier and MLflow, on a real store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.dossier import Dossier, GateName
from core.domain.evaluation import Evaluation, MetricLimit, OwnMetric
from core.domain.jobs import Job, JobKind, JobState
from core.domain.metrics import Metric, MetricUnit
from core.domain.promotions import Promotion
from tests.contract.test_pipeline import folder, ready, rides
from tests.databases import migrated
from tests.fakes import FakeRegistry
from tests.work import run_job
from workers.evidence.own_metrics import MetricLimits
from workers.steps.fit import TrainingLimits
from workers.steps.judge import Judge
from workers.steps.train import Train

__all__ = ["folder", "rides"]  # fixtures

WITHIN = Metric("share within ten", MetricUnit.SHARE, higher_is_better=True)


@pytest.fixture
def store(tmp_path: Path, rides: Dataset) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    migrated(url, rides)
    opened = Store.open(url, rides)
    yield opened
    opened.close()


def with_metric(store: Store, function: str, *gates: MetricLimit) -> Store:
    """The store with a dataset file that has this own metric, named "within"."""
    own = OwnMetric("within", f"tests.own_metrics:{function}", WITHIN)
    evaluation = Evaluation(metrics=(own,), gates=gates)
    return Store(store.engine, replace(store.dataset, evaluation=evaluation))


def train(store: Store, registry: FakeRegistry, seconds: float = 60.0) -> Job:
    limits = TrainingLimits(metrics=MetricLimits(seconds))
    step = Train(store.dataset, registry, False, lambda _job: None, limits)  # type: ignore[arg-type]
    return run_job(store, JobKind.TRAIN, step)


def judge(store: Store, registry: FakeRegistry) -> Job:
    return run_job(store, JobKind.JUDGE, Judge(registry), {"version": 1})  # type: ignore[arg-type]


def evidence(store: Store) -> tuple[Promotion, Dossier]:
    with store.read() as work:
        promotion = work.promotions.of_version(1)
        return promotion, work.dossiers.get(promotion.dossier_digest)


def own_gate(dossier: Dossier) -> Any:
    (gate,) = (g for g in dossier.gates if g.name is GateName.METRIC_LIMIT)
    return gate


def test_an_own_metric_is_in_dossier_gate_and_mlflow_and_follows_the_file(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    ready(store, folder, tmp_path)
    registry = FakeRegistry()
    strict = with_metric(store, "within_ten", MetricLimit("within", at_least=1.0))
    done = train(strict, registry)
    assert done.state is JobState.SUCCEEDED, done.error
    promotion, dossier = evidence(store)
    (figure,) = dossier.own_metrics
    assert (figure.key, figure.metric, figure.problem) == ("within", WITHIN, "")
    assert figure.candidate is not None
    assert figure.baseline is not None
    assert figure.candidate > figure.baseline
    assert figure.champion is None
    assert registry.metrics[1]["within"] == figure.candidate
    assert promotion.dossier
    assert promotion.dossier.own_metrics == dossier.own_metrics
    assert not own_gate(dossier).passed
    assert own_gate(dossier).says.endswith("the dataset file requires at least 100.0 %.")
    lax = with_metric(store, "within_ten", MetricLimit("within", at_least=0.01))
    assert judge(lax, registry).state is JobState.SUCCEEDED
    assert own_gate(evidence(store)[1]).passed


def test_a_metric_that_fails_costs_no_training_and_a_re_evaluation_fails_with_a_sentence(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    ready(store, folder, tmp_path)
    registry = FakeRegistry()
    broken = with_metric(store, "raises", MetricLimit("within", at_least=0.01))
    done = train(broken, registry)
    assert done.state is JobState.SUCCEEDED, done.error
    with store.read() as work:
        lines = [line.message for line in work.jobs.lines(done.id)]
    problem = "The metric tests.own_metrics:raises failed in its step call for the candidate"
    assert any(line.startswith(problem) and "proposed without" in line for line in lines)
    before, dossier = evidence(store)
    assert dossier.own_metrics[0].problem.startswith(problem)
    assert not own_gate(dossier).passed
    assert "within" not in registry.metrics[1]
    failed = judge(broken, registry)
    assert failed.state is JobState.FAILED
    assert failed.error.startswith(problem)
    assert failed.error.endswith("The version keeps the dossier that it had.")
    assert evidence(store)[0].dossier_digest == before.dossier_digest
    good = judge(with_metric(store, "within_ten", MetricLimit("within", at_least=0.01)), registry)
    assert good.state is JobState.SUCCEEDED, good.error
    assert own_gate(evidence(store)[1]).passed


@pytest.mark.whole
def test_a_metric_that_hangs_fails_the_re_evaluation_in_its_time(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    ready(store, folder, tmp_path)
    registry = FakeRegistry()
    hangs = with_metric(store, "hangs")
    assert train(hangs, registry, seconds=2).state is JobState.SUCCEEDED
    step = Judge(registry, metric_limits=MetricLimits(2))  # type: ignore[arg-type]
    failed = run_job(hangs, JobKind.JUDGE, step, {"version": 1})
    assert failed.state is JobState.FAILED
    assert "did not end within 2 s and was stopped" in failed.error
