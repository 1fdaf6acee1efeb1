"""A worker outlives a Redis that refuses writes, without a traceback and without seeming alive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from core.adapters.rq_queue import Queue, connect
from core.domain.dataset import Dataset
from core.platform.settings import Settings
from tests.databases import migrated
from tests.stacks import process, valkey, wait_for

SECONDS = 40


class House:
    """One worker and its Redis, which may be full."""

    def __init__(self, folder: Path, url: str, stack: ExitStack) -> None:
        self.log, self.ready, self.live = folder / "worker.log", folder / "ready", folder / "live"
        self.redis = connect(url)
        self.queue = Queue(url)
        self._env = {
            "DATA_DIR": str(folder), "DATABASE_URL": f"sqlite:///{folder / 'desk.db'}",
            "REDIS_URL": url, "DATA_API_URL": "http://127.0.0.1:1",
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:1", "SERVING_URL": "http://127.0.0.1:1",
            "READY_FILE": str(self.ready), "LIVE_FILE": str(self.live),
        }  # fmt: skip
        self._stack = stack

    def fill(self, *, full: bool) -> None:
        self.redis.config_set("maxmemory", "1" if full else "0")

    def hire(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "workers", "run", "--queue", "work"]
        return self._stack.enter_context(process(command, self.log, self._env))

    def said(self, words: str) -> int:
        return self.log.read_text().count(words)

    def known(self) -> bool:
        return [w.queue for w in self.queue.workers() if w.state == "idle"] == ["work"]

    def wake(self) -> None:
        """End the worker's blocking wait for a job, as its timeout does."""
        for client in self.redis.client_list():
            if "b" in client["flags"]:
                self.redis.client_unblock(int(client["id"]))


@pytest.fixture
def house(tmp_path: Path, dataset: Dataset) -> Iterator[House]:
    told: dict[str, Any] = {"database_url": f"sqlite:///{tmp_path / 'desk.db'}"}
    migrated(Settings(_env_file=None, **told).database, dataset)
    (tmp_path / "valkey").mkdir()
    with ExitStack() as stack:
        url = stack.enter_context(valkey(tmp_path / "valkey"))
        yield House(tmp_path, url, stack)


def test_a_worker_waits_out_a_redis_that_refuses_writes(house: House) -> None:
    house.fill(full=True)
    worker = house.hire()
    refused = "Redis refuses writes: OOM"
    wait_for("the worker said nothing", lambda: house.said(refused) == 1, SECONDS)
    assert worker.poll() is None
    assert not house.live.exists()  # it does not report itself

    house.fill(full=False)
    wait_for("the worker never came", house.known, SECONDS)
    wait_for("it does not seem alive", house.live.exists, SECONDS)
    assert house.said("Redis takes writes again") == 1

    house.fill(full=True)
    house.live.unlink()
    house.wake()
    wait_for("the worker said nothing", lambda: house.said(refused) == 2, SECONDS)
    assert worker.poll() is None
    assert not house.live.exists()

    house.redis.config_set("maxmemory", "0")
    house.redis.flushdb()  # and forgets whom it knew
    wait_for("the worker is not known again", house.known, SECONDS)

    house.fill(full=True)
    house.wake()
    wait_for("the worker said nothing", lambda: house.said(refused) == 3, SECONDS)
    os.kill(worker.pid, signal.SIGTERM)
    assert worker.wait(SECONDS) == 0
    assert house.said("Traceback") == 0
