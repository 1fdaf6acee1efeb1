"""A batch above the bound of exact profiles, ingested and compared by a process of its own."""

from __future__ import annotations

import faulthandler
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.drift import DriftReport
from core.domain.job_results import BatchStored
from core.domain.jobs import JobKind, JobState
from core.domain.sources import FilesSource
from core.rules.data.profile import EXACT_ROWS
from tests.build import small_dataset
from tests.work import run_job
from workers.sources.files import Files
from workers.steps.drift import CheckDrift
from workers.steps.ingest import Ingest

ROWS = EXACT_ROWS + 20_000
MOST_MB = 550
"""The bound of the issue is 700 MB at any size; the process has some 250 MB when it begins."""

_SECONDS = 240


@pytest.fixture
def dataset() -> Dataset:
    return small_dataset()


def put(path: Path, rows: int, warmth: float) -> np.ndarray:
    """Temperatures that hardly repeat, and a station of each row's own."""
    rng = np.random.default_rng(rows)
    columns = {
        "rides": rng.integers(0, 500, rows).astype(float),
        "temperature": rng.lognormal(2.0, 0.8, rows) * warmth,
        "weather": rng.choice(["sun", "rain", "fog"], rows),
        "station": pa.array([f"station {n:020d}" for n in range(rows)]),
    }
    pq.write_table(pa.table(columns), path, row_group_size=rows)
    return columns["temperature"]


def take_in(url: str, folder: Path, batches: int) -> tuple[list[int], DriftReport, float]:
    """Ingest and compare; returns the rows stored, the last report, and the peak memory in MB."""
    faulthandler.dump_traceback_later(_SECONDS, exit=True)  # says where it stands still
    source = FilesSource(f"{folder}/in/*", settle_seconds=0)
    dataset = replace(small_dataset(), source=source)
    store = Store.open(url, dataset)
    ingest = Ingest(
        Files(source), folder / "spool", dataset, False, lambda _job: None, lambda _job: False
    )
    stored = []
    for _ in range(batches):
        job = run_job(store, JobKind.INGEST, ingest)
        assert isinstance(job.result, BatchStored), job.error
        stored.append(job.result.stored)
        compared = run_job(store, JobKind.DRIFT, CheckDrift(dataset, False, lambda _job: None))
        assert compared.state is JobState.SUCCEEDED, compared.error
    with store.read() as work:
        reports = work.drift.latest(1)
    store.close()
    # Not `getrusage`: its peak counts the process that this one was forked from.
    (line,) = (s for s in Path("/proc/self/status").read_text().split("\n") if "VmHWM" in s)
    return stored, reports[0].report, int(line.split()[1]) / 1e3


@pytest.mark.whole
def test_a_batch_above_the_bound_of_exact_profiles_is_compared_in_bounded_memory(
    database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    before = put(tmp_path / "in" / "1.parquet", 20_000, 1.0)
    after = put(tmp_path / "in" / "2.parquet", ROWS, 1.5)
    # Unlike a Pool, it says so if its process dies.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        stored, report, peak = pool.submit(take_in, database_url, tmp_path, 2).result()
    assert stored == [20_000, ROWS]
    assert peak < MOST_MB
    assert report.retrain
    assert report.estimate.startswith("Quantiles are estimated; their changes are off by at most")
    assert 0 < report.error < 0.01
    changes = {c.name: c for c in report.changes}
    for level in (50, 75):
        exact = np.percentile(after, level) / np.percentile(before, level) - 1
        change = changes[f"temperature_{level}"]
        assert change.ratio is not None
        assert abs(change.ratio - abs(exact)) <= change.error + 1e-9
        assert changes[f"rides_{level}"].error == 0  # of few distinct values each is counted
