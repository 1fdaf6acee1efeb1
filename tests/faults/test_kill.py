"""kill -9 of worker and horse, at seeded moments of ingest and of training.

What must hold each time: the job ends by itself, with success or with its reason; every stored
batch has the rows that the API has; nothing is there twice.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from compose.data_api.options import Options
from console.actions import pipeline
from console.desk import Desk
from console.queries import status
from core.adapters.store.migrate import migrate
from core.adapters.store.tables import rows_table
from core.domain.batches import BatchState
from core.domain.jobs import Job, JobKind, JobState
from core.platform.settings import Settings
from tests.build import somebody
from tests.data_api.serving import Service, serving
from tests.databases import fresh_database
from tests.stacks import process, wait_for

KILLS = int(os.environ.get("KILLS", "3"))
SCALE = 0.05
SEED = 20261123


class Bench:
    """A desk, a data API, a reconciler, and two workers, so that one is left when one dies."""

    def __init__(self, desk: Desk, api: Service, env: dict[str, str], folder: Path) -> None:
        self.desk, self.api, self._env, self._folder = desk, api, env, folder
        self._stack = ExitStack()
        self._workers: list[subprocess.Popen[bytes]] = []
        self._started = 0

    def start(self) -> None:
        command = [sys.executable, "-m", "workers", "reconcile"]
        self._stack.enter_context(process(command, self._folder / "reconcile.log", self._env))
        for queue in ("work", "work", "train", "train"):
            self._hire(queue)
        wait_for("no four workers", lambda: len(self.desk.queue.workers()) >= 4)

    def _hire(self, queue: str) -> None:
        self._started += 1
        command = [sys.executable, "-m", "workers", "run", "--queue", queue]
        log = self._folder / f"worker{self._started}.log"
        self._workers.append(self._stack.enter_context(process(command, log, self._env)))

    def kill_busy_worker(self) -> bool:
        """SIGKILL the worker that has a horse, and the horse; False when no one is at work."""
        for worker in self._workers:
            horses = children(worker.pid)
            if worker.poll() is None and horses:
                for pid in (worker.pid, *horses):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                worker.wait()
                self._workers.remove(worker)
                self._hire(str(worker.args[-1]))  # type: ignore[index]
                return True
        return False

    def job(self, job_id: int) -> Job:
        with self.desk.store.read() as work:
            return work.jobs.get(job_id)

    def close(self) -> None:
        self._stack.close()


def children(pid: int) -> list[int]:
    out = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in out.stdout.split()]


@contextmanager
def bench(
    tmp_path: Path, database_url: str, redis_url: str, mlflow_uri: str, **more: str
) -> Iterator[Bench]:
    with serving(Options(scale=SCALE)) as api:
        env = {
            "DATA_DIR": str(tmp_path / "data"),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "MLFLOW_TRACKING_URI": mlflow_uri,
            "DATA_API_URL": api.url,
            "MODEL_NAME": f"kill-{tmp_path.name}",
            "LEASE_SECONDS": "3",
            "MAX_ATTEMPTS": "5",
        } | more
        known = {k.lower(): v for k, v in env.items() if k.lower() in Settings.model_fields}
        settings = Settings(_env_file=None, **known)  # type: ignore[arg-type]
        desk = Desk.make(settings)
        desk.queue._redis.flushdb()
        migrate(database_url, desk.dataset)
        ready = Bench(desk, api, env, tmp_path)
        try:
            ready.start()
            yield ready
        finally:
            ready.close()
            desk.store.close()


def kill_once(on: Bench, job: Job, at: float) -> tuple[bool, Job]:
    """Kill whoever runs the job once it is that far; then wait for its end."""
    killed = False

    def over() -> bool:
        nonlocal killed
        now = on.job(job.id)
        if not killed and now.attempt == 1 and now.state is JobState.RUNNING and now.progress >= at:
            killed = on.kill_busy_worker()
        return now.state.is_over

    wait_for(f"job {job.id} did not end", over, 90)
    return killed, on.job(job.id)


def check_rows(on: Bench) -> None:
    """Every stored batch of the current epoch is there once, with the API's rows."""
    table = rows_table(on.desk.dataset)
    with on.desk.store.read() as work:
        epoch = work.batches.epoch()
        stored = work.batches.stored(epoch.number) if epoch else []
    current = epoch.number if epoch else 0
    with on.desk.store.engine.connect() as connection:
        found = {
            row.batch_id: (row.count_, row.distinct_)
            for row in connection.execute(
                sa.select(
                    table.c.batch_id,
                    sa.func.count().label("count_"),
                    sa.func.count(table.c.row_number.distinct()).label("distinct_"),
                )
                .where(table.c.epoch == current)
                .group_by(table.c.batch_id)
            )
        }
    assert set(found) == {b.id for b in stored}
    on.api.restart(3)
    sizes = [len(on.api.batch(3)["data"]) for _ in range(6)]
    for batch in stored:
        assert batch.number is not None
        assert found[batch.id] == (sizes[batch.number], sizes[batch.number])


@pytest.mark.parametrize("database", ["sqlite", "mariadb"])
def test_ingest_survives_kill_9(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    redis_url: str,
    mlflow_uri: str,
    database: str,
) -> None:
    print("seed", SEED, "kills", KILLS)
    dice = random.Random(SEED)
    url = f"sqlite:///{tmp_path / 'kill.db'}"
    if database == "mariadb":
        url = fresh_database(request.getfixturevalue("mariadb"))
    outcomes = []
    with bench(tmp_path, url, redis_url, mlflow_uri) as on:
        while sum(killed for killed, _ in outcomes) < KILLS:
            ends = status.ends(on.desk, restart=False)
            job = pipeline.request_ingest(on.desk, somebody(), ends=ends.epoch if ends else None)
            at = dice.choice([0.0, 0.02, 0.3, 0.5, 0.7, 0.75])
            killed, ended = kill_once(on, job, at)
            assert ended.state is JobState.SUCCEEDED or ended.error
            check_rows(on)
            outcomes.append((killed, f"at {at}: {ended.state} {ended.result}"))
        with on.desk.store.read() as work:
            states = {b.state for b in work.batches.ledger(200)}
    print(*outcomes, sep="\n")
    # A kill while an answer came: interrupted, until the next batch shows whether one was lost.
    broken_off = {BatchState.INTERRUPTED, BatchState.SETTLED, BatchState.LOST}
    assert states <= {BatchState.STORED} | broken_off


def _ingested(on: Bench) -> None:
    job = pipeline.request_ingest(on.desk, somebody())
    wait_for("no batch", lambda: on.job(job.id).state.is_over)
    assert on.job(job.id).state is JobState.SUCCEEDED


def test_training_survives_kill_9(tmp_path: Path, redis_url: str, mlflow_uri: str) -> None:
    print("seed", SEED, "kills", KILLS)
    dice = random.Random(SEED)
    with bench(tmp_path, f"sqlite:///{tmp_path / 'kill.db'}", redis_url, mlflow_uri) as on:
        kills, jobs = 0, 0
        while kills < KILLS:
            _ingested(on)  # the same rows again would make no new version
            job = pipeline.request_train(on.desk, somebody(), reason="the test asks for it")
            killed, ended = kill_once(on, job, dice.choice([0.0, 0.02, 0.1, 0.5, 0.65, 0.75]))
            assert ended.state is JobState.SUCCEEDED, ended.error
            kills += killed
            jobs += 1
        check_rows(on)
        with on.desk.store.read() as work:
            proposed = [p.version for p in work.promotions.latest(200)]
            runs = work.jobs.recent(200, JobKind.TRAIN)
        registered = {v.version for v in on.desk.registry.versions()}
    # Each job proposed one version, and none is proposed twice or is missing in the registry.
    assert len(proposed) == len(set(proposed)) == jobs == len(runs)
    assert set(proposed) <= registered
