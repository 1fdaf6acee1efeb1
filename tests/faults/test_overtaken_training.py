"""A training whose worker wakes too late: its job has one version, registered and proposed once."""

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

from compose.data_api.options import Options
from console.actions import pipeline
from console.desk import Desk
from core.adapters.rq_queue import connect
from core.adapters.store.migrate import migrate
from core.domain.jobs import Job, JobState
from core.platform.settings import Settings
from tests.build import somebody
from tests.data_api.serving import serving
from tests.faults.test_frozen import ended
from tests.faults.test_kill import children
from tests.gate import Gate, gate_before
from tests.stacks import process, wait_for

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations are not ours

OPENS_RUN = "POST /api/2.0/mlflow/runs/create"
REGISTERS = "POST /api/2.0/mlflow/model-versions/create"


class Bench:
    """A desk with one batch, and workers whose MLflow is behind a gate."""

    def __init__(
        self, desk: Desk, gate: Gate, env: dict[str, str], folder: Path, stack: ExitStack
    ) -> None:
        self.desk, self.gate = desk, gate
        self._env, self._folder, self._stack = env, folder, stack

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "workers", *arguments]
        log = self._folder / f"{arguments[0]}.log"
        return self._stack.enter_context(process(command, log, self._env))

    def succeeds(self, job: Job) -> Job:
        def now() -> Job:
            with self.desk.store.read() as work:
                return work.jobs.get(job.id)

        wait_for("the job did not end", lambda: now().state.is_over, 120)
        assert now().state is JobState.SUCCEEDED, now().error
        return now()


@pytest.fixture
def bench(mlflow_uri: str, redis_url: str, tmp_path: Path) -> Iterator[Bench]:
    connect(redis_url).flushdb()
    with serving(Options(scale=0.05)) as api, gate_before(mlflow_uri) as gate, ExitStack() as stack:
        told: dict[str, Any] = {
            "data_dir": tmp_path, "database_url": f"sqlite:///{tmp_path / 'desk.db'}",
            "redis_url": redis_url, "mlflow_tracking_uri": mlflow_uri, "lease_seconds": 4,
            "model_name": f"late-{tmp_path.name}", "data_api_url": api.url,
            "serving_url": "http://127.0.0.1:1",
        }  # fmt: skip
        desk = Desk.make(Settings(_env_file=None, **told))
        stack.callback(desk.store.close)
        migrate(desk.settings.database, desk.dataset)
        env = {key.upper(): str(value) for key, value in told.items()}
        yield Bench(desk, gate, env | {"MLFLOW_TRACKING_URI": gate.url}, tmp_path, stack)


@pytest.mark.parametrize("request_", [OPENS_RUN, REGISTERS])
def test_a_training_that_was_overtaken_leaves_one_version(bench: Bench, request_: str) -> None:
    """Stopped before the last check it registers nothing; stopped after it, it takes that back."""
    bench.start("reconcile")
    bench.start("run", "--queue", "work")
    late = bench.start("run", "--queue", "train")
    bench.succeeds(pipeline.request_ingest(bench.desk, somebody()))
    bench.gate.hold(request_)
    job = pipeline.request_train(bench.desk, somebody(), reason="the test asks for it")
    wait_for("the request did not come", bench.gate.holds.is_set, 120)
    stopped = [late.pid, *children(late.pid)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    bench.start("run", "--queue", "train")
    done = bench.succeeds(job)
    assert done.attempt == 2
    before = bench.gate.answers(request_)
    bench.gate.release()
    wait_for("the late act was not done", lambda: bench.gate.answers(request_) > before)
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    wait_for("the late worker's child is still there", lambda: ended(stopped[1]))
    with bench.desk.store.read() as work:
        proposed = [p.version for p in work.promotions.latest()]
    assert proposed == [done.result.version]
    assert [v.version for v in bench.desk.registry.versions()] == proposed
