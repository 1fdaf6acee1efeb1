"""A worker that wakes too late: what it does outside is what the record says, or is put back.

A promotion's worker is stopped (SIGSTOP) at a request to MLflow, another attempt carries the
promotion out, an operator rolls it back, and only then the first one goes on.
"""

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

from console.desk import Desk
from core.adapters.mlflow.registry import Registry, digest_of
from core.adapters.rq_queue import connect
from core.domain.dataset import Dataset
from core.domain.jobs import Job, JobState
from core.platform.settings import Settings
from core.usecases import decisions
from tests.build import approve, contract, live, proposed
from tests.databases import fresh_database, migrated
from tests.faults.test_frozen import ended
from tests.faults.test_kill import children
from tests.gate import Gate, gate_before
from tests.models import tiny_model
from tests.replica import Replica
from tests.stacks import process, stop, wait_for

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations are not ours

MOVES_ALIAS = "POST /api/2.0/mlflow/registered-models/alias"
FETCHES_FILE = "mlflow-artifacts/artifacts"


class Bench:
    """A desk with version 1 live and version 2 proposed, a replica, and workers behind a gate."""

    def __init__(
        self, desk: Desk, gate: Gate, replica: Replica, env: dict[str, str], folder: Path,
        stack: ExitStack,
    ) -> None:  # fmt: skip
        self.desk, self.gate, self.replica = desk, gate, replica
        self._env, self._folder, self._stack = env, folder, stack

    def hire(self) -> subprocess.Popen[bytes]:
        return self._start("worker", "run", "--queue", "desk")

    def reconcile(self) -> subprocess.Popen[bytes]:
        return self._start("reconcile", "reconcile")

    def _start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "workers", *arguments]
        log = self._folder / f"{name}.log"
        return self._stack.enter_context(process(command, log, self._env))

    def approve(self, version: int, champion: int) -> Job:
        with self.desk.store.begin() as work:
            job = approve(work, version, champion=champion)
            work.commit()
        self.desk.queue.submit(job.kind, job.id, job.attempt)
        return job

    def roll_back(self) -> Job:
        with self.desk.store.begin() as work:
            job = decisions.roll_back(work, actor="ana", champion=2, reason="it does badly")
            work.commit()
        self.desk.queue.submit(job.kind, job.id, job.attempt)
        return job

    def job(self, job: Job) -> Job:
        with self.desk.store.read() as work:
            return work.jobs.get(job.id)

    def succeeds(self, job: Job) -> None:
        wait_for("the job did not end", lambda: self.job(job).state.is_over, 90)
        assert self.job(job).state is JobState.SUCCEEDED, self.job(job).error

    def served(self) -> int | None:
        found = self.replica.model().get("version")
        return int(found) if found is not None else None

    def live(self) -> int | None:
        with self.desk.store.read() as work:
            found = work.promotions.live()
        return found.version if found else None

    def put_back(self) -> list[Any]:
        with self.desk.store.read() as work:
            return work.audit.latest(action="put back")

    def stopped_at(self, request: str) -> tuple[Job, list[int]]:
        """Approve version 2, and stop its worker and the child at this request to MLflow."""
        self.gate.hold(request)
        worker = self.hire()
        job = self.approve(2, 1)
        wait_for("the request did not come", self.gate.holds.is_set)
        pids = [worker.pid, *children(worker.pid)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        return job, pids

    def overtaken(self, job: Job) -> None:
        """Let a second attempt carry the promotion out, and an operator roll it back."""
        self.hire()
        self.succeeds(job)
        assert self.job(job).attempt == 2
        assert (self.live(), self.desk.registry.champion()) == (2, 2)
        self.succeeds(self.roll_back())
        assert (self.live(), self.desk.registry.champion(), self.served()) == (1, 1, 1)
        assert self.put_back() == []


@pytest.fixture(params=["sqlite", "mariadb"])
def bench(
    request: pytest.FixtureRequest,
    mlflow_uri: str,
    redis_url: str,
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Bench]:
    connect(redis_url).flushdb()
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    if request.param == "mariadb":
        url = fresh_database(request.getfixturevalue("mariadb"))
    migrated(url, dataset)
    name = f"overtaken-{tmp_path.name}-{request.param}"
    registry = Registry(mlflow_uri, name)
    for n in (1, 2):
        registry.publish(
            tiny_model(contract(dataset), float(n)), job=str(n), parameters={}, metrics={},
            tags={}, signature=None, requirements=["numpy"],
        )  # fmt: skip
    registry.set_champion(1)
    with gate_before(mlflow_uri) as gate, ExitStack() as stack:
        replica = Replica(
            tmp_path / "r", mlflow_tracking_uri=mlflow_uri, model_name=name, database_url=url
        )
        told: dict[str, Any] = {
            "data_dir": tmp_path, "database_url": url, "redis_url": redis_url,
            "mlflow_tracking_uri": mlflow_uri, "model_name": name, "serving_url": replica.url,
            "lease_seconds": 3, "data_api_url": "http://127.0.0.1:1",
        }  # fmt: skip
        desk = Desk.make(Settings(_env_file=None, **told))
        stack.callback(desk.store.close)
        live(desk.store, 1, digest=digest_of(registry.fetch(1)))
        proposed(desk.store, 2, champion=1, digest=digest_of(registry.fetch(2)))
        env = {key.upper(): str(value) for key, value in told.items()}
        env["MLFLOW_TRACKING_URI"] = gate.url
        made = Bench(desk, gate, replica, env, tmp_path, stack)
        try:
            replica.start(ready=False)
            wait_for("version 1 is not served", lambda: made.served() == 1)
            yield made
        finally:
            replica.close()


@pytest.mark.parametrize("then", ["goes on", "is killed"])
def test_an_act_that_comes_too_late_is_put_back(bench: Bench, then: str) -> None:
    """The check had been passed when the worker was stopped: only looking afterwards helps."""
    reconciler = bench.reconcile()
    job, stopped = bench.stopped_at(MOVES_ALIAS)
    bench.overtaken(job)
    before = bench.gate.answers(MOVES_ALIAS)
    if then == "goes on":
        stop(reconciler)  # so that it is the late worker itself that puts it right
    else:
        for pid in stopped:
            os.kill(pid, signal.SIGKILL)
    bench.gate.release()
    wait_for("the late act was not done", lambda: bench.gate.answers(MOVES_ALIAS) > before)
    if then == "goes on":
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    wait_for("it was not put back", lambda: bool(bench.put_back()))
    wait_for("version 1 is not served", lambda: bench.served() == 1)
    assert (bench.live(), bench.desk.registry.champion()) == (1, 1)
    (event,) = bench.put_back()
    assert (event.actor, event.subject, event.details) == ("driftdesk", "version:1", {"found": 2})
    assert bench.job(job).attempt == 2


def test_a_worker_that_was_overtaken_before_it_acts_does_not_act(bench: Bench) -> None:
    bench.reconcile()
    job, stopped = bench.stopped_at(FETCHES_FILE)
    bench.overtaken(job)
    moved = bench.gate.count(MOVES_ALIAS)
    bench.gate.release()
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    wait_for("the late worker's child is still there", lambda: ended(stopped[1]))
    assert bench.gate.count(MOVES_ALIAS) == moved
    assert (bench.live(), bench.desk.registry.champion(), bench.served()) == (1, 1, 1)
    assert bench.put_back() == []
