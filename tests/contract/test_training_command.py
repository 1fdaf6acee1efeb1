"""A training whose model a program of the team's own makes: the whole job, on real stores."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow.parquet as pq
import pytest

from core.adapters.onnx_runtime import Runtime
from core.adapters.store import Store
from core.domain.jobs import Job, JobKind, JobState
from core.domain.training import Training
from core.rules.data.holdout import row_hash
from tests.contract.test_pipeline import folder, ready, rides, store
from tests.fakes import FakeRegistry
from tests.stacks import ROOT, wait_for
from tests.unit.test_training_program import STARTS_OTHERS, alive
from tests.work import run_job
from workers.steps.judge import Judge
from workers.steps.train import Train, TrainingLimits

__all__ = ["folder", "rides", "store"]  # fixtures

OWN = str(ROOT / "tests" / "own_program.py")
LIMITS = TrainingLimits(seconds=120)
KEEPS_ROWS = f"""
import os, runpy, shutil
shutil.copytree(os.environ["DRIFTDESK_ROWS"], "rows", dirs_exist_ok=True)
runpy.run_path({OWN!r}, run_name="__main__")
"""


def with_program(store: Store, where: Path, code: str) -> Store:
    """The store, with a dataset whose training command runs this code there."""
    (where / "train.py").write_text(code)
    training = Training("command", command=(sys.executable, "train.py"), folder=str(where))
    return Store(store.engine, replace(store.dataset, training=training))


def train(store: Store, registry: Any, limits: TrainingLimits = LIMITS) -> Job:
    step = Train(store.dataset, registry, False, lambda _job: None, limits)
    return run_job(store, JobKind.TRAIN, step)


def logged(store: Store, job: Job) -> list[str]:
    with store.read() as work:
        return [line.message for line in work.jobs.lines(job.id)]


def test_its_model_is_judged_registered_and_judged_again_like_any_other(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    ready(store, folder, tmp_path, batches=2)
    own, registry = with_program(store, tmp_path, KEEPS_ROWS), FakeRegistry()
    job = train(own, registry)
    assert job.state is JobState.SUCCEEDED, job.error
    with store.read() as work:
        dossier = work.promotions.of_version(1).dossier
        names = [*(c.name for c in store.dataset.features), store.dataset.target.name]
        held_out = work.rows.columns(names, held_out=True)
    assert dossier.candidate.metrics["r2"] > 0.8
    assert dossier.parity is None
    assert dossier.learned.recipe == f"command:{sys.executable} train.py"
    assert Runtime(registry.fetch(1)).contract.interval is not None
    assert registry.kept[1]["metrics.json"].startswith(b'{"rows": ')
    lines = logged(store, job)
    assert any(line.startswith("learned from ") for line in lines)
    assert any("no fitted model to compare it with" in line for line in lines)
    # No held-out row was in its folder.
    table = pq.read_table(tmp_path / "rows")
    given = {
        name: table[name].to_numpy(zero_copy_only=False)
        if not store.dataset.column(name).is_text
        else table[name].to_pylist()
        for name in table.column_names
    }
    assert not set(row_hash(given, store.dataset)) & set(row_hash(held_out, store.dataset))
    again = run_job(own, JobKind.JUDGE, Judge(registry), {"version": 1})  # type: ignore[arg-type]
    assert again.state is JobState.SUCCEEDED, again.error


def test_a_cancel_ends_it_and_its_rows_within_seconds(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    ready(store, folder, tmp_path)
    own = with_program(store, tmp_path, STARTS_OTHERS)
    limits = TrainingLimits(rows_url=str(tmp_path / "rows"))

    def cancel() -> None:
        files = tmp_path / "started", tmp_path / "daemon"
        wait_for("it did not start", lambda: all(file.exists() for file in files))
        with store.begin() as work:
            (job,) = [j for j in work.jobs.open() if j.state is JobState.RUNNING]
            work.jobs.cancel(job.id)
            work.commit()

    ana = Thread(target=cancel)
    ana.start()
    job = train(own, FakeRegistry(), limits)
    ana.join()
    assert job.state is JobState.CANCELLED
    assert not alive(tmp_path)
    assert list((tmp_path / "rows").iterdir()) == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit('no such warehouse')", "exit code 1. Its last lines: no such warehouse"),
        ("import time; time.sleep(600)", "did not end within 2 s and was stopped"),
        ("print('bye')", "left no file model.onnx in the folder DRIFTDESK_OUT"),
    ],
)
def test_its_failure_is_a_failed_job_and_the_next_one_runs(
    store: Store, folder: Path, tmp_path: Path, code: str, said: str
) -> None:
    ready(store, folder, tmp_path)
    registry = FakeRegistry()
    failed = train(with_program(store, tmp_path, code), registry, TrainingLimits(seconds=2))
    assert failed.state is JobState.FAILED
    assert said in failed.error
    assert registry.versions() == []
    assert train(with_program(store, tmp_path, KEEPS_ROWS), registry).state is JobState.SUCCEEDED


def test_of_very_many_held_out_rows_a_sample_judges_and_the_dossier_counts_both(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    ready(store, folder, tmp_path, batches=2)
    registry = FakeRegistry()
    assert train(store, registry).state is JobState.SUCCEEDED
    registry.set_champion(1)
    own = with_program(store, tmp_path, KEEPS_ROWS)
    assert train(own, registry, TrainingLimits(evaluated=40)).state is JobState.SUCCEEDED
    with store.read() as work:
        dossier = work.promotions.of_version(2).dossier
        held_out = work.rows.count(held_out=True)
    assert dossier.held_out_rows == held_out > 40
    assert (dossier.candidate.rows, dossier.champion.rows) == (40, 40)
    judge = Judge(registry, 40)  # type: ignore[arg-type]
    run_job(own, JobKind.JUDGE, judge, {"version": 2})
    with store.read() as work:
        again = work.promotions.of_version(2).dossier
    assert again.candidate.metrics == dossier.candidate.metrics
