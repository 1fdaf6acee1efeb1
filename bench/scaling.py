"""What a million rows cost, and what a second and a fourth worker bring.

    python bench/scaling.py [--scale 1] [--jobs 8] [--workers 1 2 4]

Everything is a real process: MariaDB, Redis or Valkey, MLflow, the stand-in data API, and workers
as `make run` starts them. Cost: the six batches at their real size are ingested, compared and
trained on, one job after the other, by one worker; a job's seconds are those of its row: queueing
is left out. Workers: independent jobs (versions judged anew, at a twentieth of the rows) wait in
line, then so many workers start at once; the time runs from the first job's start to the last
job's end.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from console.actions import pipeline
from console.desk import Desk
from core.adapters.store.migrate import migrate
from core.domain.jobs import Job, JobKind
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS, Settings
from tests import stacks
from tests.build import somebody
from tests.conftest import fresh_database
from tests.stacks import answers, free_port, process, wait_for

BATCHES = 6


@dataclass(frozen=True, slots=True)
class Yard:
    """Servers that run, and a desk on them."""

    folder: Path
    env: dict[str, str]
    desk: Desk

    @contextmanager
    def workers(self, count: int) -> Iterator[None]:
        """So many workers on the queue `work`, and one for trainings, all ready."""
        with ExitStack() as stack:
            queues = ["work"] * count + ["train"]
            ready = [self.folder / f"ready-{count}-{n}" for n in range(len(queues))]
            for file, queue in zip(ready, queues, strict=True):
                file.unlink(missing_ok=True)
                stack.enter_context(
                    process(
                        [sys.executable, "-m", "workers", "run", "--queue", queue],
                        self.folder / "worker.log",
                        self.env | {"READY_FILE": str(file)},
                    )
                )
            wait_for("a worker was not ready", lambda: all(f.exists() for f in ready), 120)
            yield

    def ended(self, jobs: list[int], seconds: float = 3600) -> list[Job]:
        """These jobs, once none is on its way any more."""

        def over() -> bool:
            with self.desk.store.read() as work:
                return all(work.jobs.get(job).state.is_over for job in jobs)

        wait_for("jobs did not end", over, seconds)
        with self.desk.store.read() as work:
            found = [work.jobs.get(job) for job in jobs]
        for job in found:
            assert job.result is not None, job.error
        return found


@contextmanager
def yard(scale: float) -> Iterator[Yard]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        for part in ("mysql", "redis", "mlflow"):
            (folder / part).mkdir()
        port = free_port()
        server = stack.enter_context(stacks.mariadb(folder / "mysql"))
        env = {
            "DATABASE_URL": fresh_database(server),
            "REDIS_URL": stack.enter_context(stacks.valkey(folder / "redis")),
            "MLFLOW_TRACKING_URI": stack.enter_context(stacks.mlflow(folder / "mlflow")),
            "DATA_API_URL": f"http://127.0.0.1:{port}",
            "DATA_DIR": str(folder / "data"),
            "OMP_NUM_THREADS": "1",
        }
        stack.enter_context(
            process(
                [
                    sys.executable,
                    "-m",
                    "compose.data_api",
                    "--port",
                    str(port),
                    "--scale",
                    str(scale),
                ],
                folder / "api.log",
            )
        )
        wait_for("the data API was not up", answers(f"{env['DATA_API_URL']}/health"))
        migrate(env["DATABASE_URL"], load(SHIPPED_DATASETS / "real_estate.toml"))
        told = {k.lower(): v for k, v in env.items() if k != "OMP_NUM_THREADS"}
        desk = Desk.make(Settings(_env_file=None, **told))  # type: ignore[arg-type]
        yield Yard(folder, os.environ | env, desk)
        desk.store.close()


def took(job: Job) -> float:
    assert job.started_at
    assert job.finished_at
    return (job.finished_at - job.started_at).total_seconds()


def costs(scale: float) -> None:
    """Seconds of each kind of job, and what that is for a million rows."""
    with yard(scale) as made, made.workers(1):
        ingests, drifts = [], []
        for _ in range(BATCHES):
            (job,) = made.ended([pipeline.request_ingest(made.desk, somebody()).id])
            ingests.append(job)
            drifts += made.ended([_drift_of(made, job)])
        (trained,) = made.ended(
            [pipeline.request_train(made.desk, somebody(), reason="to be measured").id]
        )
    rows = sum(job.result.stored for job in ingests)
    print(f"{rows:,} rows in {BATCHES} batches")
    print("| job | seconds | seconds for a million rows |")
    print("|---|---|---|")
    for name, seconds, of in (
        ("ingest, six batches", sum(map(took, ingests)), rows),
        ("compare, six batches", sum(map(took, drifts)), rows),
        ("train, judge and publish", took(trained), rows),
    ):
        print(f"| {name} | {seconds:.1f} | {seconds / of * 1e6:.1f} |")


def _drift_of(made: Yard, ingest: Job) -> int:
    """The comparison that follows an ingest by itself."""
    found: list[int] = []

    def asked() -> bool:
        with made.desk.store.read() as work:
            later = [job for job in work.jobs.recent(50) if job.id > ingest.id]
        found[:] = [job.id for job in later if job.kind is JobKind.DRIFT]
        return bool(found)

    wait_for("no comparison was asked for", asked)
    return found[0]


def scaling(workers: list[int], count: int) -> None:
    """How long independent jobs take, by the number of workers."""
    with yard(0.05) as made:
        with made.workers(1):
            made.ended([pipeline.request_ingest(made.desk, somebody()).id])
            made.ended([pipeline.request_ingest(made.desk, somebody()).id])
            for n in range(count):
                job = pipeline.request_train(made.desk, somebody(), reason=f"version {n}")
                made.ended([job.id])
        print(f"{count} versions judged anew, on {os.cpu_count()} cores")
        print("| workers | seconds | times one worker |")
        print("|---|---|---|")
        alone = 0.0
        for number in workers:
            jobs = [
                pipeline.request_judge(made.desk, somebody(), version).id
                for version in range(1, count + 1)
            ]
            with made.workers(number):
                done = made.ended(jobs)
            first = min(job.started_at for job in done if job.started_at)
            last = max(job.finished_at for job in done if job.finished_at)
            seconds = (last - first).total_seconds()
            alone = alone or seconds
            print(f"| {number} | {seconds:.1f} | {alone / seconds:.2f} |")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--scale", type=float, default=1.0)
    options.add_argument("--jobs", type=int, default=8)
    options.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    chosen = options.parse_args()
    scaling(chosen.workers, chosen.jobs)
    costs(chosen.scale)


if __name__ == "__main__":
    main()
