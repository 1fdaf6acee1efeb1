"""A frozen job process is ended, and log, state and result of the job agree."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from console.actions import pipeline
from console.desk import Desk
from core.adapters.rq_queue import connect
from core.adapters.store.migrate import migrate
from core.domain.dataset import Dataset
from core.domain.job_results import VersionProposed
from core.domain.jobs import STAGE, Job, JobKind, JobState
from core.platform.settings import Settings
from tests.build import somebody
from tests.databases import fresh_database
from tests.faults.test_kill import children
from tests.stacks import process, wait_for

NOWHERE = "http://127.0.0.1:1"
LEASE = 4


class Bench:
    """A desk, and workers whose first attempts stand still."""

    def __init__(self, desk: Desk, env: dict[str, str], folder: Path, stack: ExitStack) -> None:
        self.desk, self._env, self._folder, self._stack = desk, env, folder, stack
        self.reached = folder / "reached"

    def hire(self, how: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.faults.standing", how, str(self.reached)]
        return self._stack.enter_context(process(command, self._folder / "worker.log", self._env))

    def reconcile(self) -> None:
        command = [sys.executable, "-m", "workers", "reconcile"]
        self._stack.enter_context(process(command, self._folder / "reconcile.log", self._env))

    def ask(self, **args: Any) -> Job:
        with self.desk.store.begin() as work:
            job, _ = work.jobs.request(JobKind.TRAIN, args, "ana")
            work.commit()
        self.desk.queue.submit(job.kind, job.id, job.attempt)
        return job

    def cancel(self, job: Job) -> None:
        with self.desk.store.begin() as work:
            work.jobs.cancel(job.id)
            work.commit()

    def job(self, job: Job) -> Job:
        with self.desk.store.read() as work:
            return work.jobs.get(job.id)

    def ends(self, job: Job) -> Job:
        wait_for("the job did not end", lambda: self.job(job).state.is_over)
        return self.job(job)

    def said(self, job: Job) -> list[str]:
        """The job's log without its stages."""
        with self.desk.store.read() as work:
            return [line.message for line in work.jobs.lines(job.id) if line.level != STAGE]


@contextmanager
def standing(
    url: str, redis_url: str, dataset: Dataset, tmp_path: Path, lease: float = LEASE
) -> Iterator[Bench]:
    connect(redis_url).flushdb()
    told: dict[str, Any] = {
        "data_dir": tmp_path, "database_url": url, "redis_url": redis_url,
        "data_api_url": NOWHERE, "mlflow_tracking_uri": NOWHERE, "serving_url": NOWHERE,
        "lease_seconds": lease,
    }  # fmt: skip
    migrate(url, dataset)
    with ExitStack() as stack:
        desk = Desk.make(Settings(_env_file=None, **told))
        stack.callback(desk.store.close)
        env = {name.upper(): str(value) for name, value in told.items()}
        yield Bench(desk, env, tmp_path, stack)


@pytest.fixture
def bench(database_url: str, redis_url: str, dataset: Dataset, tmp_path: Path) -> Iterator[Bench]:
    with standing(database_url, redis_url, dataset, tmp_path) as made:
        yield made


def ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("how", ["deaf", "holding"])
def test_a_process_that_does_not_listen_is_ended_once_its_job_is_cancelled(
    bench: Bench, how: str
) -> None:
    worker = bench.hire(how)
    job = bench.ask()
    wait_for("it did not begin", bench.reached.exists)
    (child,) = children(worker.pid)
    bench.cancel(job)
    assert bench.ends(job).state is JobState.CANCELLED  # no reconciler had to look
    wait_for("the process is still there", lambda: ended(child))
    (said,) = bench.said(job)
    assert "Cancelled on request" in said
    again = bench.ask(at="once")
    assert bench.ends(again).state is JobState.SUCCEEDED  # the worker goes on


def test_a_process_that_listens_ends_by_itself(bench: Bench) -> None:
    bench.hire("dawdling")
    job = bench.ask()
    wait_for("it did not begin", bench.reached.exists)
    bench.cancel(job)
    assert bench.ends(job).state is JobState.CANCELLED
    assert bench.said(job) == ["Cancelled on request."]


def test_a_cancel_ends_a_process_that_holds_what_recording_the_cancel_needs(
    database_url: str, redis_url: str, dataset: Dataset, tmp_path: Path
) -> None:
    """A frozen process holds SQLite's write lock, or its job's row on a server.

    Its lease is longer than any wait of this test, so the cancel has ended it.
    """
    with standing(database_url, redis_url, dataset, tmp_path, lease=600) as bench:
        worker = bench.hire("committing")
        job = bench.ask()
        wait_for("it did not begin", bench.reached.exists)
        (child,) = children(worker.pid)
        os.kill(child, signal.SIGSTOP)
        pipeline.cancel(bench.desk, somebody("ana"), job.id)
        assert bench.ends(job).state is JobState.CANCELLED
        assert ended(child)
        again = bench.ask(at="once")
        assert bench.ends(again).state is JobState.SUCCEEDED


def test_a_process_that_stands_still_in_its_last_transaction_is_ended(bench: Bench) -> None:
    worker = bench.hire("committing")
    bench.reconcile()
    job = bench.ask()
    wait_for("it did not begin", bench.reached.exists)
    (child,) = children(worker.pid)
    os.kill(child, signal.SIGSTOP)
    done = bench.ends(job)
    assert (done.state, done.attempt, done.result) == (JobState.SUCCEEDED, 2, VersionProposed(2))
    assert ended(child)
    said = bench.said(job)
    assert [line for line in said if "succeeded" in line] == []
    assert said  # told by the parent, or by the reconciler once the server had given back the row
    assert all("stood still" in line or "Worker lost" in line for line in said)


@pytest.fixture
def on_a_server(mariadb: str, redis_url: str, dataset: Dataset, tmp_path: Path) -> Iterator[Bench]:
    """A lock on SQLite's file ends with its process, and nobody awake could end it."""
    with standing(fresh_database(mariadb), redis_url, dataset, tmp_path) as made:
        yield made


def test_a_host_that_stands_still_in_a_last_transaction_holds_nobody_up(
    on_a_server: Bench,
) -> None:
    """Worker and child are both stopped, so only the server can end the transaction."""
    bench = on_a_server
    worker = bench.hire("committing")
    bench.reconcile()
    job = bench.ask()
    wait_for("it did not begin", bench.reached.exists)
    stopped = [worker.pid, *children(worker.pid)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        # MySQL ends an idle transaction after two minutes, MariaDB after the lease.
        is_mariadb = getattr(bench.desk.store.engine.dialect, "is_mariadb", False)
        patience = 60 if is_mariadb else 200
        wait_for("nobody took over", lambda: bench.job(job).attempt == 2, patience)
        bench.hire("committing")
        done = bench.ends(job)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    assert (done.state, done.result) == (JobState.SUCCEEDED, VersionProposed(2))
    wait_for("the late one is still at work", lambda: ended(stopped[1]))
    assert bench.job(job) == done
    said = bench.said(job)
    assert [line for line in said if "succeeded" in line] == []
    assert sum("Worker lost" in line for line in said) == 1
