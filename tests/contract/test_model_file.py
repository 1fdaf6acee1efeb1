"""A trained version's file: it carries the range around its answers and what explains them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.explain import Trees
from core.records import JobState
from core.runtime import Runtime
from core.store import Store
from tests.contract.test_pipeline import folder, ready, rides, store, train
from tests.fakes import FakeRegistry
from tests.unit.test_training import SHOP, exported, sales
from workers import trees
from workers.training import fit

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


def test_what_cannot_be_explained_is_trained_all_the_same_and_says_so(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(store, folder, tmp_path)
    monkeypatch.setattr(Trees, "is_explainable", lambda _self: False)
    registry = FakeRegistry()
    job = train(store, registry)
    assert job.state is JobState.SUCCEEDED, job.error
    assert Runtime(registry.fetch(1)).explainer is None
    with store.read() as work:
        said = [line.message for line in work.jobs.lines(job.id, 100)]
    assert any("cannot be explained" in line for line in said)


def test_the_same_rows_give_the_same_tables() -> None:
    one, two = (trees.tables(fit(sales(200), SHOP)).to_text() for _ in range(2))
    assert one == two


def test_the_matrix_of_the_file_is_the_matrix_of_the_fit() -> None:
    from core.runtime import FEATURES

    fitted = fit(sales(200), SHOP)
    runtime = exported(fitted, SHOP)
    rows = {name: values for name, values in sales(50, seed=9).items() if name in
            {f.name for f in SHOP.features}}  # fmt: skip
    (given,) = runtime._session.run([FEATURES], runtime._feed(rows))
    np.testing.assert_allclose(given, fitted.features.transform(rows), rtol=1e-6)
