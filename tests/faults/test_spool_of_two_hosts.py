"""Two hosts share the database, Redis and an object store, and no folder; one of them dies."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from compose.data_api.options import Options
from console.actions import pipeline
from console.desk import Desk
from core.adapters.spool import open_spool
from core.adapters.store.migrate import migrate
from core.adapters.store.tables import rows_table
from core.domain.jobs import JobState
from core.platform.settings import Settings
from tests.build import somebody
from tests.data_api.serving import SMALL, serving
from tests.databases import fresh_database
from tests.object_store import BUCKET, s3_server
from tests.stacks import process, wait_for

DIES = """
import os, signal, sys
from workers.steps.store_batch import StoreBatch
def die(*_):
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
StoreBatch.__call__ = die
from workers.__main__ import main
sys.exit(main(["run", "--queue", "work"]))
"""
"""A worker that is killed, with the process that runs its job, once an answer has arrived."""


def test_a_host_dies_with_an_answer_and_the_other_stores_it(
    tmp_path: Path, mariadb: str, redis_url: str, mlflow_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = fresh_database(mariadb)
    with ExitStack() as stack:
        api = stack.enter_context(serving(Options(scale=SMALL)))
        store = stack.enter_context(s3_server())
        env = store | {
            "DATABASE_URL": url,
            "REDIS_URL": redis_url,
            "MLFLOW_TRACKING_URI": mlflow_uri,
            "DATA_API_URL": api.url,
            "LEASE_SECONDS": "3",
            "SPOOL_URL": f"s3://{BUCKET}/{tmp_path.name}",
        }
        for name, value in store.items():
            monkeypatch.setenv(name, value)
        known = {k.lower(): v for k, v in env.items() if not k.startswith("AWS_")}
        desk = Desk.make(Settings(_env_file=None, data_dir=tmp_path / "console", **known))  # type: ignore[arg-type]
        stack.callback(desk.store.close)
        desk.queue._redis.flushdb()
        migrate(url, desk.dataset)

        def start(name: str, *command: str) -> None:
            own = env | {"DATA_DIR": str(tmp_path / name)}
            program = [sys.executable, *command]
            stack.enter_context(process(program, tmp_path / f"{name}.log", own))

        start("reconcile", "-m", "workers", "reconcile")
        start("one", "-c", DIES)
        job = pipeline.request_ingest(desk, somebody())

        def state() -> JobState:
            with desk.store.read() as work:
                return work.jobs.get(job.id).state

        spool = open_spool(desk.settings)
        wait_for("no answer in the spool", lambda: any(f.size for f in spool.files()))
        start("two", "-m", "workers", "run", "--queue", "work")
        wait_for("the other host did not take over", lambda: state().is_over, 90)

        with desk.store.read() as work:
            (batch,) = work.batches.ledger()
            ended = work.jobs.get(job.id)
        assert (ended.state, ended.attempt) == (JobState.SUCCEEDED, 2), ended.error
        api.restart()
        answer = api.batch()
        table = rows_table(desk.dataset)
        with desk.store.engine.connect() as connection:
            prices = list(
                connection.execute(sa.select(table.c.price).order_by(table.c.row_number)).scalars()
            )
        assert batch.stored == len(prices) == len(answer["data"])
        assert prices == [row["price"] for row in answer["data"]]
        wait_for("the spool keeps a batch that is stored", lambda: not spool.files())
        assert [f.suffix for f in (tmp_path / "one" / "spool").iterdir()] == [".json"]
        assert list((tmp_path / "two" / "spool").iterdir()) == []
        secret = env["AWS_SECRET_ACCESS_KEY"]
        assert not any(secret in log.read_text() for log in tmp_path.glob("*.log"))
