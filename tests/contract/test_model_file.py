"""A trained version's file: it carries the range around its answers and what explains them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.adapters.onnx_runtime import Runtime
from core.adapters.store import Store
from core.domain.jobs import JobState
from tests.contract.test_pipeline import folder, ready, rides, store, train
from tests.fakes import FakeRegistry

__all__ = ["folder", "rides", "store"]  # fixtures


def test_a_trained_version_says_how_far_off_it_may_be_and_why(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    ready(store, folder, tmp_path, batches=3)
    registry = FakeRegistry()
    job = train(store, registry)
    assert job.state is JobState.SUCCEEDED, job.error
    runtime = Runtime(registry.fetch(1))
    interval = runtime.contract.interval
    assert interval is not None
    with store.read() as work:
        names = [c.name for c in store.dataset.features]
        unseen = work.rows.columns([*names, store.dataset.target.name], held_out=True)
    actual = unseen[store.dataset.target.name]
    assert interval.calibrated_on + interval.measured_on == len(actual)
    assert (interval.nominal, interval.on_log, interval.floor) == (0.9, False, 0.0)
    ends = np.array([interval.bounds(p) for p in runtime.predict(unseen).tolist()])
    within = (ends[:, 0] <= actual) & (actual <= ends[:, 1])
    measured = interval.measured * interval.measured_on
    assert within.sum() >= measured
    pushes = dict.fromkeys(names, 0.0)
    for n in range(20):
        explained = runtime.explain({name: unseen[name][n] for name in names})
        assert explained is not None
        assert set(explained.effects) == set(names)
        for name, effect in explained.effects.items():
            pushes[name] += abs(effect)
    # One row may be pushed by anything; on the whole rides do not depend on the day.
    assert min(pushes, key=lambda name: pushes[name]) == "day"


def test_too_few_held_out_rows_give_a_version_without_a_range(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    ready(store, folder, tmp_path, batches=1)
    registry = FakeRegistry()
    assert train(store, registry).state is JobState.SUCCEEDED
    interval = Runtime(registry.fetch(1)).contract.interval
    assert interval is None or interval.measured_on >= 20
