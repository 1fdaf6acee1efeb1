"""Ingest of a real-size batch against the bare load of the same rows, in one run.

    python bench/ingest.py --database sqlite:////tmp/bench.db
    python bench/ingest.py --database mysql+pymysql://root@127.0.0.1:3306/bench

Batch 5 at its real size (361,457 rows) comes from the stand-in data API over HTTP. The bare load is
what the database itself takes to swallow rows that are ready: LOAD DATA LOCAL of one CSV file, or
executemany of one list, without checks. The database named must be empty.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import requests
import sqlalchemy as sa

from core.dataset import load
from core.records import JobKind
from core.settings import DATASETS
from core.store import Store
from core.store.schema import migrate
from tests.stacks import answers, free_port, process, wait_for
from workers import parse
from workers.jobs import run_to_its_end
from workers.run import Run
from workers.source import DataApi
from workers.steps.ingest import Ingest

BATCH = 5


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--database", required=True)
    options.add_argument("--scale", type=float, default=1.0)
    chosen = options.parse_args()
    dataset = load(DATASETS / "real_estate.toml")
    migrate(chosen.database, dataset)
    store = Store.open(chosen.database, dataset)
    with tempfile.TemporaryDirectory() as folder:
        seconds, rows, size = ingest(store, Path(folder), chosen.scale)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        bare = bare_load(store, Path(folder))
    print(f"database              {store.engine.dialect.name}")
    print(f"batch                 {rows:,} rows, {size / 1e6:.1f} MB of JSON")
    print(f"ingest, whole job     {seconds:.2f} s, {rows / seconds:,.0f} rows/s")
    print(f"bare load             {bare:.2f} s, {rows / bare:,.0f} rows/s")
    print(f"ratio                 {seconds / bare:.2f}")
    print(f"peak memory           {peak:,.0f} MB")


def ingest(store: Store, folder: Path, scale: float) -> tuple[float, int, int]:
    """Seconds, rows and bytes of a whole ingest job; the Arrow file of its rows is left behind."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "compose.data_api", "--port", str(port), "--scale", str(scale)]
    with process(command, folder / "api.log"):
        wait_for("the data API was not up", answers(f"{url}/health"))
        for _ in range(BATCH):
            requests.get(f"{url}/data", params={"group_number": 7}, timeout=60)
        source = DataApi(url, 7, "", 300.0)
        step = Ingest(source, folder / "spool", store.dataset, False, lambda _job: None)
        keep = parse.stage
        parse.stage = lambda path, *a: _copy(path, keep(path, *a), folder)  # type: ignore[assignment]
        with store.begin() as work:
            job, _ = work.jobs.request(JobKind.INGEST, {}, "bench")
            work.commit()
        start = time.perf_counter()
        run = Run.claim(store, job.id, 1, timedelta(seconds=30))
        assert run
        run_to_its_end(run, type("Wiring", (), {"step": lambda _self, _kind: step})())
        seconds = time.perf_counter() - start
    with store.read() as work:
        done = work.jobs.get(job.id)
        (batch,) = work.batches.ledger(1)
    assert done.result, done.error
    return seconds, int(done.result["stored"]), batch.bytes


def _copy(path: Path, result: object, folder: Path) -> object:
    (folder / "rows.arrow").write_bytes(path.read_bytes())
    return result


def bare_load(store: Store, folder: Path) -> float:
    """Seconds for the database to take the same rows, ready-made."""
    table = store.dataset.rows_table
    batches = list(parse.staged(folder / "rows.arrow"))
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
