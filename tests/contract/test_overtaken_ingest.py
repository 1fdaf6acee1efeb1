"""An ingest that wakes too late does not touch the source: its cursor would move for nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.adapters.store import Store
from core.domain.batches import BatchState
from core.domain.dataset import Dataset
from core.domain.jobs import JobState
from tests import build
from tests.answers import NextAnswers, batch_body, whole
from tests.work import ingest
from workers.runtime.job_run import Run

ROW = {"rides": 97, "temperature": 9.5, "weather": "rain", "station": 12}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return build.small_dataset()


def good(number: int) -> bytes:
    return whole(batch_body(number, [ROW] * 3))


def overtaken_after(patch: pytest.MonkeyPatch, stage: str) -> None:
    """The first attempt stands still once it has said this stage, until its job is taken over."""
    progress = Run.progress

    def stand_still(run: Run, share: float, said: str, **more: Any) -> None:
        progress(run, share, said, **more)
        if said == stage and run.job.attempt == 1:
            with run.store.transaction() as work:
                assert work.jobs.release(run.job.id, 1)
            with run.store.transaction() as work:
                (overdue,) = work.jobs.overdue()
                assert work.jobs.take_over(overdue, 3)

    patch.setattr(Run, "progress", stand_still)


@pytest.mark.parametrize(
    ("stage", "args", "path"),
    [
        ("asking the source", {}, "/data"),
        ("restarting the source", {"restart_epoch": 1}, "/restart_data_generation"),
    ],
)
def test_an_overtaken_ingest_leaves_the_source_to_the_attempt_that_has_the_job(
    store: Store,
    api: NextAnswers,
    spool: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    args: dict[str, Any],
    path: str,
) -> None:
    api.put(good(0))
    if args:
        assert ingest(store, api.url, spool).state is JobState.SUCCEEDED
        api.put(good(0))
    asked = api.asked.count(path)
    with monkeypatch.context() as patch:
        overtaken_after(patch, stage)
        late = ingest(store, api.url, spool, args=args)
    assert (late.state, late.attempt) == (JobState.REQUESTED, 2)
    assert api.asked.count(path) == asked
    again = ingest(store, api.url, spool, args=args)
    assert (again.id, again.state, again.result.batch) == (late.id, JobState.SUCCEEDED, 0)
    assert api.asked.count(path) == asked + 1
    with store.read() as work:
        assert {b.state for b in work.batches.ledger()} == {BatchState.STORED}
    assert list(spool.iterdir()) == []
