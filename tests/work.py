"""Running a worker's steps in this process, on a real store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from core.adapters.store import Store
from core.domain.jobs import Job, JobKind
from workers.jobs import run_to_its_end
from workers.runtime.job_run import Run
from workers.sources.data_api import DataApi
from workers.sources.http_exchange import Limits
from workers.steps.ingest import Ingest

LEASE = timedelta(seconds=30)


class OneStep:
    """A wiring that knows a single step."""

    def __init__(self, step: Callable[[Run], None]) -> None:
        self._step = step

    def step(self, kind: JobKind) -> Callable[[Run], None]:
        return self._step


def run_job(
    store: Store, kind: JobKind, step: Callable[[Run], None], args: dict[str, Any] | None = None
) -> Job:
    """Ask for a job, run it to its end, and return how it ended."""
    with store.begin() as work:
        job, _ = work.jobs.request(kind, args or {}, "ana")
        work.commit()
    run = Run.claim(store, job.id, job.attempt, LEASE)
    assert run is not None
    run_to_its_end(run, OneStep(step))  # type: ignore[arg-type]
    with store.read() as work:
        return work.jobs.get(job.id)


def ingest_step(
    store: Store,
    url: str,
    spool: Path,
    *,
    restarts: bool = True,
    seconds: float = 20.0,
    limits: Limits | None = None,
    announced: Callable[[Job], bool] = lambda _job: False,
) -> Ingest:
    source = DataApi(url, 7, "", limits or Limits(silence=seconds))
    return Ingest(source, spool, store.dataset, restarts, lambda _job: None, announced)


def ingest(store: Store, url: str, spool: Path, **options: Any) -> Job:
    """Ingest one batch."""
    args = options.pop("args", None)
    return run_job(store, JobKind.INGEST, ingest_step(store, url, spool, **options), args)
