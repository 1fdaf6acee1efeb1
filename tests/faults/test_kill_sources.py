"""kill -9 of worker and horse within the ingest of files, of a query and of uploads.

What must hold in the end: the table has the rows that the source has, each once.
"""

from __future__ import annotations

import csv
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from console.actions import pipeline, uploads
from core.adapters.store.tables import rows_table
from core.domain.job_results import NoNewBatch
from core.domain.jobs import Job, JobState
from tests.build import somebody
from tests.faults.test_kill import SEED, Bench, bench, kill_once
from tests.stacks import wait_for

KILLS = int(os.environ.get("KILLS", "2"))
ROWS = 20_000

COLUMNS = """
name = "orders"

[[columns]]
name = "number"
type = "code"
role = "identifier"

[[columns]]
name = "size"
type = "number"
role = "feature"

[[columns]]
name = "total"
type = "number"
role = "target"
nullable = false
"""

Row = tuple[int, int, int]
Deliver = Callable[[Bench, Path, list[Row]], Job]


def files(on: Bench, folder: Path, rows: list[Row]) -> Job:
    written(folder / "part", rows).rename(folder / f"{rows[0][0]:08}.csv")
    return pipeline.request_ingest(on.desk, somebody())


def query(on: Bench, folder: Path, rows: list[Row]) -> Job:
    engine = warehouse(folder)
    with engine.begin() as connection:
        table = sa.table("orders", *map(sa.column, ("number", "size", "total")))
        names = ("number", "size", "total")
        connection.execute(sa.insert(table), [dict(zip(names, row, strict=True)) for row in rows])
    engine.dispose()
    return pipeline.request_ingest(on.desk, somebody())


def upload(on: Bench, folder: Path, rows: list[Row]) -> Job:
    return uploads.upload_path(on.desk, somebody(), written(folder / f"{rows[0][0]}.csv", rows))


def written(path: Path, rows: list[Row]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("number", "size", "total"), *rows])
    return path


def warehouse(folder: Path) -> sa.Engine:
    return sa.create_engine(f"sqlite:///{folder / 'warehouse.db'}")


SOURCES: dict[str, tuple[str, Deliver]] = {
    "files": ('kind = "files"\nurl = "{folder}/*.csv"\nsettle_seconds = 0', files),
    "sql": (
        'kind = "sql"\nurl_setting = "WAREHOUSE_URL"\nquery = "orders"\nwatermark = "number"',
        query,
    ),
    "upload": ('kind = "upload"', upload),
}


@pytest.mark.parametrize("source", SOURCES)
def test_ingest_of_each_source_survives_kill_9(
    tmp_path: Path, redis_url: str, mlflow_uri: str, source: str
) -> None:
    print("seed", SEED, "kills", KILLS)
    dice = random.Random(SEED)
    folder = tmp_path / "source"
    folder.mkdir()
    with warehouse(folder).begin() as connection:
        connection.execute(sa.text("CREATE TABLE orders (number INTEGER, size INTEGER, total INT)"))
    section, deliver = SOURCES[source]
    dataset = tmp_path / "orders.toml"
    dataset.write_text(f"{COLUMNS}\n[source]\n{section.format(folder=folder)}\n", encoding="utf-8")
    more = {"DATASET": str(dataset), "WAREHOUSE_URL": str(warehouse(folder).url)}
    url = f"sqlite:///{tmp_path / 'kill.db'}"
    outcomes: list[tuple[bool, str]] = []
    with bench(tmp_path, url, redis_url, mlflow_uri, **more) as on:
        while sum(killed for killed, _ in outcomes) < KILLS:
            first = 1 + len(outcomes) * ROWS
            job = deliver(on, folder, [(n, n % 97, 3 * n) for n in range(first, first + ROWS)])
            at = dice.choice([0.0, 0.02, 0.3, 0.5, 0.7, 0.75])
            killed, ended = kill_once(on, job, at)
            assert ended.state is JobState.SUCCEEDED or ended.error
            outcomes.append((killed, f"at {at}: {ended.state} {ended.result}"))
        print(*outcomes, sep="\n")
        take_what_is_left(on)
        table = rows_table(on.desk.dataset)
        with on.desk.store.engine.connect() as connection:
            stored = connection.execute(sa.select(table.c.number, table.c.total)).all()
        wanted = [(str(n), 3.0 * n) for n in range(1, 1 + len(outcomes) * ROWS)]
        print(f"{source}: {len(stored):,} rows stored of {len(wanted):,}, {KILLS} kills")
        assert sorted(tuple(row) for row in stored) == sorted(wanted)


def take_what_is_left(on: Bench) -> None:
    """Ingest until the source has nothing new."""
    for _ in range(50):
        job = pipeline.request_ingest(on.desk, somebody())
        wait_for("no end", lambda job=job: on.job(job.id).state.is_over, 120)  # type: ignore[misc]
        if isinstance(on.job(job.id).result, NoNewBatch):
            return
    raise AssertionError("the source never ends")
