"""Ingest of a real-size batch against the bare load of the same rows, in one run.

    python bench/ingest.py --database sqlite:////tmp/bench.db
    python bench/ingest.py --database mysql+pymysql://root@127.0.0.1:3306/bench

Batch 5 at its real size (361,457 rows) comes from the stand-in data API before, and from a plain
file server while the job is measured. The bare load is what the database itself takes to swallow
rows that are ready: LOAD DATA LOCAL of one CSV file, or executemany of one list, without checks.
The database named must be empty.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import requests
import sqlalchemy as sa

from core.adapters.readers import parse
from core.adapters.store import Store
from core.adapters.store.migrate import migrate
from core.domain.jobs import JobKind
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS
from core.rules.data.profile import Profiler
from tests.stacks import answers, free_port, process, wait_for
from workers.jobs import run_to_its_end
from workers.runtime.job_run import Run
from workers.sources.data_api import DataApi
from workers.sources.http_exchange import Limits
from workers.steps.ingest import Ingest

BATCH = 5


@dataclass(frozen=True, slots=True)
class Measured:
    """A whole job: seconds, seconds of this process's processor time, rows, and megabytes."""

    seconds: float
    processor: float
    rows: int
    peak: float


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--database", required=True)
    options.add_argument("--scale", type=float, default=1.0)
    chosen = options.parse_args()
    dataset = load(SHIPPED_DATASETS / "real_estate.toml")
    migrate(chosen.database, dataset)
    store = Store.open(chosen.database, dataset)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = prepare(folder, chosen.scale)
        job = ingest(store, folder)
        bare = bare_load(store, folder)
    rate = job.rows / job.seconds
    print(f"database              {store.engine.dialect.name}")
    print(f"batch                 {job.rows:,} rows, {size / 1e6:.1f} MB of JSON")
    print(f"ingest, whole job     {job.seconds:.2f} s, {rate:,.0f} rows/s")
    print(f"its processor time    {job.processor:.2f} s, without the database's server")
    print(f"bare load             {bare:.2f} s, {job.rows / bare:,.0f} rows/s")
    print(f"ratio                 {job.seconds / bare:.2f}")
    print(f"peak memory           {job.peak:,.0f} MB")


def prepare(folder: Path, scale: float) -> int:
    """Keep the batch as a file that a file server answers with; returns its bytes."""
    answer = folder / "served" / "data"
    answer.parent.mkdir()
    with serving(folder, "compose.data_api", "--scale", str(scale), path="/health") as url:
        for _ in range(BATCH + 1):
            with (
                answer.open("wb") as file,  # not in memory, whose peak is measured
                requests.get(
                    f"{url}/data", params={"group_number": 7}, timeout=60, stream=True
                ) as got,
            ):
                file.writelines(got.iter_content(1_000_000))
    return answer.stat().st_size


@contextmanager
def serving(folder: Path, module: str, *more: str, path: str) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = ["--port", str(port)] if module == "compose.data_api" else [str(port)]
    with process([sys.executable, "-m", module, *options, *more], folder / f"{module}.log"):
        wait_for(f"{module} was not up", answers(url + path))
        yield url


def ingest(store: Store, folder: Path) -> Measured:
    served = ("--bind", "127.0.0.1", "--directory", str(folder / "served"))
    with serving(folder, "http.server", *served, path="/") as url:
        source = DataApi(url, 7, "", Limits())
        step = Ingest(
            source, folder / "spool", store.dataset, False, lambda _job: None, lambda _job: False
        )
        with store.begin() as work:
            job, _ = work.jobs.request(JobKind.INGEST, {}, "bench")
            work.commit()
        start, processor = time.perf_counter(), time.process_time()
        run = Run.claim(store, job.id, 1, timedelta(seconds=30))
        assert run
        run_to_its_end(run, type("Container", (), {"step": lambda _self, _kind: step})())
        seconds, processor = time.perf_counter() - start, time.process_time() - processor
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    with store.read() as work:
        done = work.jobs.get(job.id)
    assert done.result, done.error
    return Measured(seconds, processor, done.result.stored, peak)


def bare_load(store: Store, folder: Path) -> float:
    """Seconds for the database to take the same rows, ready-made."""
    table, dataset = store.dataset.rows_table, store.dataset
    answer = (folder / "served" / "data").rename(folder / "answer.json")
    chunks = parse.chunks(answer, dataset, Profiler(dataset), lambda _share: None)
    batches = list(parse.ReadResult().rows(chunks))
    names = batches[0].schema.names
    quote = store.engine.dialect.identifier_preparer.quote
    with store.engine.connect() as connection:
        connection.exec_driver_sql(
            f"CREATE TABLE bare AS SELECT {', '.join(map(quote, names))} FROM {table} WHERE 1 = 0"
        )
        connection.commit()
        if store.engine.dialect.name == "sqlite":
            rows = [
                row
                for b in batches
                for row in zip(*(c.to_pylist() for c in b.columns), strict=True)
            ]
            rows = [tuple(str(v) if hasattr(v, "isoformat") else v for v in row) for row in rows]
            marks = ", ".join("?" * len(names))
            start = time.perf_counter()
            connection.exec_driver_sql(f"INSERT INTO bare VALUES ({marks})", rows)
            connection.commit()
            return time.perf_counter() - start
        file = folder / "bare.csv"
        pa_csv.write_csv(
            pa.Table.from_batches(batches), file, pa_csv.WriteOptions(include_header=False)
        )
        start = time.perf_counter()
        connection.execute(
            sa.text(
                f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE bare CHARACTER SET utf8mb4 "
                "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"'"
            )
        )
        connection.commit()
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
