"""What a worker offers, on real processes: also when a child dies, or outlives its parent."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from console.actions import pipeline
from console.desk import Desk
from core.adapters.rq_queue import connect
from core.domain.dataset import Dataset
from core.domain.jobs import Job, JobKind, JobState
from core.platform.settings import Settings
from tests.build import somebody
from tests.databases import migrated
from tests.monitoring.scrape import Samples, scrape
from tests.stacks import answers, free_port, process, wait_for

NOWHERE = "http://127.0.0.1:1"
NAME = "real_estate"


@contextmanager
def silent() -> Iterator[str]:
    """A data API that takes every call and answers none, so that an ingest goes on for ever."""
    with socket.create_server(("127.0.0.1", 0), backlog=20) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


class Shop:
    """A desk, and workers that are started on one port for their metrics."""

    def __init__(self, desk: Desk, env: dict[str, str], folder: Path, stack: ExitStack) -> None:
        self.desk = desk
        self._env = env
        self._folder = folder
        self._stack = stack
        self.url = f"http://127.0.0.1:{env['METRICS_PORT']}"

    def hire(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "workers", "run", "--queue", "work"]
        worker = self._stack.enter_context(process(command, self._folder / "log", self._env))

        def up() -> bool:
            assert worker.poll() is None, (self._folder / "log").read_text()
            return answers(f"{self.url}/metrics")()

        wait_for("the worker offers no metrics", up)
        return worker

    def seen(self) -> Samples:
        return scrape(self.url)

    def at_work(self, worker: subprocess.Popen[bytes]) -> int:
        """Wait until it has a child that has claimed its job; returns that one's process id."""
        wait_for("nobody works", lambda: self.seen().get("worker_busy", queue="work") == 1)
        wait_for("nobody asks the data API", self._running)
        (child,) = children(worker.pid)
        return child

    def _running(self) -> bool:
        with self.desk.store.read() as work:
            return any(job.state is JobState.RUNNING for job in work.jobs.open())


@pytest.fixture
def shop(redis_url: str, dataset: Dataset, tmp_path: Path) -> Iterator[Shop]:
    connect(redis_url).flushdb()
    with silent() as api, ExitStack() as stack:
        told: dict[str, Any] = {
            "data_dir": tmp_path, "database_url": f"sqlite:///{tmp_path / 'desk.db'}",
            "redis_url": redis_url, "data_api_url": api, "mlflow_tracking_uri": NOWHERE,
            "serving_url": NOWHERE, "metrics_port": free_port(),
        }  # fmt: skip
        settings = Settings(_env_file=None, **told)
        migrated(settings.database, dataset)
        desk = Desk.make(settings)
        stack.callback(desk.store.close)
        env = {name.upper(): str(value) for name, value in told.items()}
        yield Shop(desk, env, tmp_path, stack)


def children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def again(desk: Desk, job: Job) -> None:
    """Put a job whose child died back in line, as the reconciler does."""
    with desk.store.begin() as work:
        (overdue,) = work.jobs.overdue()
        after = work.jobs.take_over(overdue, 9)
        work.commit()
    assert after is not None
    desk.queue.submit(JobKind.INGEST, job.id, after.attempt)


def test_runs_are_counted_in_the_parent_whatever_becomes_of_the_child(shop: Shop) -> None:
    first = shop.hire()
    assert shop.seen().get("worker_busy", queue="work") == 0
    job = pipeline.request_ingest(shop.desk, somebody())
    os.kill(shop.at_work(first), signal.SIGKILL)
    died = {"queue": "work", "dataset": NAME, "kind": "ingest", "result": "died"}
    wait_for("no death", lambda: shop.seen().get("worker_runs_total", **died) == 1)
    assert shop.seen().get("worker_busy", queue="work") == 0

    # The parent goes, and its child stays behind with all that it inherited.
    wait_for("the lease was not ended", lambda: _overdue(shop.desk))
    again(shop.desk, job)
    orphan = shop.at_work(first)
    first.kill()
    first.wait(10)
    try:
        with pytest.raises(requests.ConnectionError):
            shop.seen()
        second = shop.hire()
        assert shop.seen().sum("worker_runs_total") == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(orphan, signal.SIGKILL)

    with shop.desk.store.begin() as work:
        drift, _ = work.jobs.request(JobKind.DRIFT, {}, "ana")
        work.commit()
    shop.desk.queue.submit(JobKind.DRIFT, drift.id, 1)
    failed = {"queue": "work", "dataset": "", "kind": "drift", "result": "failed"}
    wait_for("no failure", lambda: shop.seen().get("worker_runs_total", **failed) == 1)
    shop.desk.queue.submit(JobKind.DRIFT, drift.id, 2)
    left = failed | {"result": "left_alone"}
    wait_for("nothing was left alone", lambda: shop.seen().get("worker_runs_total", **left) == 1)
    seen = shop.seen()
    assert seen.get("worker_run_seconds_count", queue="work", dataset="", kind="drift") == 2
    assert (seen.get("worker_children_max_memory_bytes") or 0) > 10_000_000
    assert "process_resident_memory_bytes" in seen.names
    assert second.poll() is None


def _overdue(desk: Desk) -> bool:
    with desk.store.read() as work:
        return bool(work.jobs.overdue())


def test_a_port_that_is_taken_is_said_at_the_start(shop: Shop, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "workers", "run"],
            env=os.environ | shop._env | {"METRICS_PORT": str(port)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert f"Metrics cannot be offered on 127.0.0.1:{port}" in done.stderr
    assert "METRICS_PORT" in done.stderr
