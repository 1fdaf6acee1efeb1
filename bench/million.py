"""A million rows from the store to a judged candidate in MLflow: `boosting`, step by step.

    python bench/million.py [--rows 1000000] [--mariadb]

Generated rows (eight numbers, three texts of 5, 50 and 5,000 values) are ingested from a Parquet
file into SQLite, or into a MariaDB server that is started for it. Two trainings follow, each in a
process of its own: the first has no champion to compare with, the second has the first version and
a hundred more rows. Timed is the whole train job: reading, fit, export, checks, publishing in a
real MLflow, comparison, verdict. The first version is then evaluated again. Peak memory is that
of the process. The server's processor time is counted beside it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from core.adapters.mlflow.registry import Registry
from core.adapters.store import Store
from core.adapters.store.migrate import migrate
from core.domain.jobs import JobKind, JobState
from core.domain.promotions import Decision
from core.platform.dataset_file import parse
from core.platform.settings import Settings
from tests import stacks
from tests.databases import fresh_database
from tests.fakes import FakeQueue
from tests.work import run_job
from workers.container import Container

NUMBERS = [f"number_{n}" for n in range(8)]
TEXTS = {"few": 5, "some": 50, "many": 5_000}
SEED = 20261129


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--mariadb", action="store_true")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, url = Path(name), ""
        for part in ("in", "mlflow", "data"):
            (folder / part).mkdir()
        if chosen.mariadb:
            (folder / "server").mkdir()
            server = stack.enter_context(stacks.mariadb(folder / "server"))
            url = fresh_database(server)
        uri = stack.enter_context(stacks.mlflow(folder / "mlflow"))
        print(f"{'job':<28}{'s':>8}{'processor s':>13}{'server s':>10}{'peak MB':>9}")
        for number, rows in enumerate((chosen.rows, 100)):
            table(rows, number, folder / "in" / f"{number}.parquet")
            report("ingest", JobKind.INGEST, folder, url, uri)
            what = "train, with a champion" if number else "train"
            report(what, JobKind.TRAIN, folder, url, uri)
        report("re-evaluate", JobKind.JUDGE, folder, url, uri)


def report(what: str, kind: JobKind, folder: Path, url: str, uri: str) -> None:
    before = server_seconds()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seconds, cpu, peak = pool.apply(work, (kind, folder, url, uri))
    server = server_seconds() - before
    print(f"{what:<28}{seconds:>8.1f}{cpu:>13.1f}{server:>10.1f}{peak:>9.0f}", flush=True)


def server_seconds() -> float:
    """Processor seconds of the MariaDB server, 0 without one."""
    children = psutil.Process().children(recursive=True)
    times = [child.cpu_times() for child in children if child.name() == "mariadbd"]
    return sum(t.user + t.system for t in times)


def work(kind: JobKind, folder: Path, url: str, uri: str) -> tuple[float, float, float]:
    """Do one job; returns its seconds, processor seconds, and the peak in megabytes."""
    dataset = parse(document(folder / "in"), "bench")
    settings = Settings(_env_file=None, data_dir=folder / "data", database_url=url)
    migrate(settings.database, dataset)
    store = Store.open(settings.database, dataset)
    registry = Registry(uri, "bench")
    container = Container(settings, dataset, store, FakeQueue(), registry)  # type: ignore[arg-type]
    args = {"version": 1} if kind is JobKind.JUDGE else {}
    before, began = time.process_time(), time.perf_counter()
    job = run_job(store, kind, container.step(kind), args)
    seconds, cpu = time.perf_counter() - began, time.process_time() - before
    if job.state is not JobState.SUCCEEDED:
        raise SystemExit(job.error)
    with store.begin() as unit:
        for waiting in unit.jobs.open():
            unit.jobs.cancel(waiting.id)
        if kind is JobKind.TRAIN:
            newest = unit.promotions.latest(1)[0]
            unit.promotions.decide(newest, Decision.FORCE, actor="bench", reason="bench")
            unit.promotions.make_live(unit.promotions.of_version(newest.version))
            registry.set_champion(newest.version)
        unit.commit()
    store.close()
    return seconds, cpu, peak()


def peak() -> float:
    """The most memory of this process in megabytes; `ru_maxrss` keeps the parent's from before."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def document(folder: Path) -> dict[str, Any]:
    columns = [{"name": name, "type": "number", "role": "feature"} for name in NUMBERS]
    columns += [{"name": name, "type": "category", "role": "feature"} for name in TEXTS]
    columns.append({"name": "paid", "type": "number", "role": "target"})
    source = {"kind": "files", "url": str(folder / "*.parquet"), "settle_seconds": 0}
    return {"name": "bench", "columns": columns, "source": source}


def table(rows: int, seed: int, path: Path) -> None:
    rng = np.random.default_rng(SEED + seed)
    columns: dict[str, Any] = {name: rng.lognormal(1, 1, rows) for name in NUMBERS}
    effects = np.random.default_rng(SEED)
    paid = 3 * columns["number_0"] + columns["number_1"] * columns["number_2"]
    for name, values in TEXTS.items():
        codes = rng.integers(0, values, rows)
        paid += effects.normal(0, 3, values)[codes]
        columns[name] = np.array([f"{name} {n}" for n in range(values)])[codes]
    columns["paid"] = paid + rng.normal(0, 2, rows)
    pq.write_table(pa.table(columns), path)


if __name__ == "__main__":
    main()
