"""The example of docs/examples/dask: XGBoost on a cluster of two processes, in a whole job.

Its rows come from a bucket; tests of the training command read them from a folder.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core.adapters.onnx_runtime import Runtime
from core.adapters.store import Store
from core.domain.jobs import JobState
from core.domain.training import Training
from tests.contract.test_pipeline import folder, ready, rides, store
from tests.contract.test_training_command import logged, train
from tests.fakes import FakeRegistry
from tests.object_store import BUCKET, s3_server
from tests.stacks import ROOT
from workers.recipes.command import row_spool
from workers.steps.train import TrainingLimits

__all__ = ["folder", "rides", "store"]  # fixtures

pytestmark = pytest.mark.whole


@pytest.mark.parametrize("backend", ["sqlite"])
def test_it_trains_over_the_partitions_and_its_model_is_judged_on_a_sample(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(store, folder, tmp_path, batches=3)
    monkeypatch.setattr(row_spool, "PART_ROWS", 100)
    example = str(ROOT / "docs/examples/dask")
    training = Training("command", command=(sys.executable, "train.py"), folder=example)
    own = Store(store.engine, replace(store.dataset, training=training))
    registry = FakeRegistry()
    with s3_server() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        url, passed_on = f"s3://{BUCKET}/rows", tuple(environment)
        limits = TrainingLimits(evaluated=50, seconds=150, rows_url=url, passed_on=passed_on)
        job = train(own, registry, limits)
    assert job.state is JobState.SUCCEEDED, job.error
    lines = logged(store, job)
    assert any("partitions on 2 workers" in line and not line.startswith("1 ") for line in lines)
    assert sum("got rank" in line for line in lines) >= 1
    with store.read() as work:
        dossier = work.promotions.of_version(1).dossier
    assert dossier.candidate.rows == 50 < dossier.held_out_rows
    assert dossier.candidate.metrics["r2"] > 0.7
    assert {f.name for f in Runtime(registry.fetch(1)).contract.fields} == {
        "day", "weather", "temperature",
    }  # fmt: skip
