"""How long ten datasets wait for one another: one has a million rows and a backlog, nine are small.

    python bench/fairness.py [--rows 1000000] [--judgements 8]

Everything is a real process: MariaDB, Valkey, MLflow, and workers. The large dataset has a model,
and asks for a training, many judgements and the next ingest at once; then each small one asks for
an ingest, whose drift check follows. What is measured is how long those jobs waited for a worker.

Once as before: every job has its place in one line at once, trainings as well. Once as it is: a
dataset has one job of a queue at a time, and trainings have a queue and a third worker of their
own.
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
from statistics import median

import numpy as np
import pandas as pd
from rq import Queue as RqQueue
from rq.serializers import JSONSerializer

from console.desk import Desk
from console.fleet import Fleet
from core.adapters.rq_queue import FUNCTIONS, TRAIN, WORK, connect, entry_id
from core.adapters.store.migrate import migrate
from core.domain.jobs import Job, JobKind
from core.platform.settings import Settings
from core.usecases import queueing
from tests import stacks
from tests.databases import fresh_database
from tests.stacks import process, wait_for

LARGE = "large"
SMALL = tuple(f"small_{n}" for n in range(9))
SMALL_ROWS = 500
SEED = 7

FILE = """
name = "{name}"
title = "{name}"
primary_metric = "mae"
fit_on = "value"
[source]
kind = "files"
url = "{folder}/{name}/*.parquet"
settle_seconds = 0
[[columns]]
name = "y"
type = "number"
role = "target"
nullable = false
"""
FEATURES = tuple(f"x{n}" for n in range(6))


@dataclass(frozen=True, slots=True)
class Yard:
    """Servers that run, and the desks of ten datasets on them."""

    folder: Path
    env: dict[str, str]
    fleet: Fleet

    def deliver(self, name: str, rows: int, batch: int) -> None:
        """A file of random rows, of which some of the target follows from the features."""
        dice = np.random.default_rng([SEED, batch, rows])
        table = {x: dice.normal(size=rows) for x in FEATURES}
        table["y"] = 3 * table["x0"] + table["x1"] ** 2 + dice.normal(size=rows)
        into = self.folder / "batches" / name
        into.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(table).to_parquet(into / f"{batch}.parquet", index=False)

    @contextmanager
    def workers(self, queues: list[str]) -> Iterator[None]:
        """A worker of each of these queues, all ready; all are killed at the end."""
        with ExitStack() as stack:
            ready = [self.folder / f"ready-{n}" for n in range(len(queues))]
            for file, queue in zip(ready, queues, strict=True):
                file.unlink(missing_ok=True)
                command = [sys.executable, "-m", "workers", "run", "--queue", queue]
                env = self.env | {"READY_FILE": str(file)}
                stack.enter_context(process(command, self.folder / "worker.log", env))
            wait_for("a worker was not ready", lambda: all(f.exists() for f in ready), 120)
            yield

    def ask(self, name: str, kind: JobKind, key: str = "", **args: object) -> Job:
        """A requested job, which nobody has queued."""
        with self.fleet.desk(name).store.transaction() as work:
            return work.jobs.request(kind, args, "bench", key=key)[0]

    def queue(self, name: str, job: Job, *, fair: bool) -> None:
        """Put a job in line, now or as before."""
        desk = self.fleet.desk(name)
        if fair:
            queueing.submit(desk.store, desk.queue, job, in_turn=True)
            return
        with desk.store.transaction() as work:
            work.jobs.mark_queued(job.id, job.attempt)
        line = RqQueue(WORK, connection=connect(self.env["REDIS_URL"]), serializer=JSONSerializer)
        line.enqueue_call(
            FUNCTIONS[job.kind],
            args=(job.id, job.attempt),
            job_id=entry_id(job.kind, job.id, job.attempt),
            timeout=3600,
        )

    def idle(self, names: tuple[str, ...], seconds: float = 1800) -> None:
        """Wait until no job of these datasets is open."""

        def over() -> bool:
            return not any(_open(self.fleet.desk(name)) for name in names)

        wait_for("jobs did not end", over, seconds)

    def small(self, kind: JobKind, after: int) -> list[Job]:
        """The jobs of this kind of the small datasets, of those after a job's id."""
        found = []
        for name in SMALL:
            with self.fleet.desk(name).store.read() as work:
                (job,) = (j for j in work.jobs.recent(50, kind) if j.id > after)
            assert not job.error, job.error
            found.append(job)
        return found


def _seconds(asked: list[Job], then: list[Job], at: str) -> list[float]:
    """From the request of each to what became of the other."""
    return [
        (getattr(b, at) - a.requested_at).total_seconds() for a, b in zip(asked, then, strict=True)
    ]


def _open(desk: Desk) -> bool:
    with desk.store.read() as work:
        return bool(work.jobs.open())


@contextmanager
def yard() -> Iterator[Yard]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        for part in ("mysql", "redis", "mlflow", "datasets"):
            (folder / part).mkdir()
        columns = "".join(
            f'[[columns]]\nname = "{x}"\ntype = "number"\nrole = "feature"\n' for x in FEATURES
        )
        for dataset in (LARGE, *SMALL):
            text = FILE.format(name=dataset, folder=folder / "batches") + columns
            (folder / "datasets" / f"{dataset}.toml").write_text(text)
        env = {
            "DATABASE_URL": fresh_database(stack.enter_context(stacks.mariadb(folder / "mysql"))),
            "REDIS_URL": stack.enter_context(stacks.valkey(folder / "redis")),
            "MLFLOW_TRACKING_URI": stack.enter_context(stacks.mlflow(folder / "mlflow")),
            "DATA_DIR": str(folder / "data"),
            "DATASETS": str(folder / "datasets"),
        }
        settings = Settings(_env_file=None, **{k.lower(): v for k, v in env.items()})  # type: ignore[arg-type]
        fleet = Fleet.make(settings)
        stack.callback(fleet.close)
        migrate(settings.database, list(fleet.datasets().usable.values()))
        with fleet.desk(LARGE).store.desk_transaction() as work:
            for file in fleet.datasets().files:
                assert file.dataset, file.problem
                work.saw(file.dataset.name, file.digest)
        yield Yard(folder, os.environ | env | {"OMP_NUM_THREADS": "1"}, fleet)


def model(made: Yard, rows: int) -> None:
    """The first batch of each dataset, and a version of the large one."""
    with made.workers([WORK, TRAIN]):
        for name in (LARGE, *SMALL):
            made.deliver(name, rows if name == LARGE else SMALL_ROWS, 0)
            made.queue(name, made.ask(name, JobKind.INGEST), fair=True)
        made.idle((LARGE, *SMALL))
        made.queue(LARGE, made.ask(LARGE, JobKind.TRAIN), fair=True)
        made.idle((LARGE,))
    with made.fleet.desk(LARGE).store.read() as work:
        (job,) = work.jobs.recent(1, JobKind.TRAIN)
    assert not job.error, job.error


def rush(made: Yard, rows: int, batch: int, judgements: int, *, fair: bool) -> list[str]:
    """The backlog of the large dataset, then an ingest of each small one: a row for each kind."""
    for name in (LARGE, *SMALL):
        made.deliver(name, rows if name == LARGE else SMALL_ROWS, batch)
    backlog = [made.ask(LARGE, JobKind.TRAIN), made.ask(LARGE, JobKind.INGEST)]
    for n in range(judgements):
        key = f"judge:{batch}:{n}"
        backlog.append(made.ask(LARGE, JobKind.JUDGE, key, version=1))
    for job in backlog:
        made.queue(LARGE, job, fair=fair)
    for name in SMALL:
        made.queue(name, made.ask(name, JobKind.INGEST), fair=fair)
    with made.workers([WORK, WORK, TRAIN] if fair else [WORK, WORK]):
        made.idle(SMALL)
        ingests, drifts = (
            made.small(kind, backlog[0].id) for kind in (JobKind.INGEST, JobKind.DRIFT)
        )
        made.idle((LARGE,))
    how = "now" if fair else "before"
    return [
        f"| {what} | {how} | {median(waited):.1f} | {max(waited):.1f} |"
        for what, waited in (
            ("ingest, until it starts", _seconds(ingests, ingests, "started_at")),
            ("drift check, until it starts", _seconds(drifts, drifts, "started_at")),
            ("both, from the request to the verdict", _seconds(ingests, drifts, "finished_at")),
        )
    ]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--judgements", type=int, default=8)
    chosen = options.parse_args()
    with yard() as made:
        model(made, chosen.rows)
        print("| of the nine small datasets | | median, s | longest, s |")
        print("|---|---|---|---|")
        for batch, fair in ((1, False), (2, True)):
            lines = rush(made, chosen.rows, batch, chosen.judgements, fair=fair)
            print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
