"""What an operator may ask: reads only, bounded, straight from the stores."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from console.desk import Desk
from core.contract import Contract
from core.errors import BadInput, DriftdeskError, Missing
from core.records import (
    AuditEvent,
    Batch,
    Epoch,
    Job,
    JobKind,
    LogLine,
    Promotion,
    PromotionState,
    QuarantinedRow,
    Reference,
    StoredReport,
)
from core.registry import RegisteredVersion
from core.remote import probe
from core.store.predictions import ID_PREFIX, LoggedPrediction, Page, Place, Search


@dataclass(frozen=True, slots=True)
class Status:
    """Where everything stands."""

    epoch: Epoch | None
    last_batch: Batch | None
    report: StoredReport | None
    live: Promotion | None
    candidates: list[Promotion]
    open_jobs: list[Job]
    last_jobs: dict[JobKind, Job]


def status(desk: Desk) -> Status:
    """One consistent look at the pipeline."""
    with desk.store.read() as work:
        batch = work.batches.last_stored()
        reports = work.drift.latest(1, Reference.PREVIOUS, batch.id) if batch else []
        last = {kind: work.jobs.recent(1, kind) for kind in JobKind}
        return Status(
            work.batches.epoch(),
            batch,
            reports[0] if reports else None,
            work.promotions.live(),
            work.promotions.latest(20, PromotionState.PROPOSED),
            work.jobs.open(),
            {kind: jobs[0] for kind, jobs in last.items() if jobs},
        )


def job(desk: Desk, job_id: int) -> Job:
    """One job.

    Raises:
        Missing: there is none of that id.
    """
    with desk.store.read() as work:
        return work.jobs.get(job_id)


def jobs(desk: Desk, limit: int = 20, kind: JobKind | None = None) -> list[Job]:
    """The newest jobs."""
    with desk.store.read() as work:
        return work.jobs.recent(limit, kind)


def job_log(desk: Desk, job_id: int, limit: int = 100) -> list[LogLine]:
    """The last lines that a job wrote."""
    with desk.store.read() as work:
        return work.jobs.lines(job_id, limit)


def ledger(desk: Desk, limit: int = 50) -> list[Batch]:
    """The newest entries of the batch ledger."""
    with desk.store.read() as work:
        return work.batches.ledger(limit)


def quarantined(desk: Desk, batch_id: int, limit: int = 50) -> list[QuarantinedRow]:
    """The first rows of a batch that were not stored, and why."""
    with desk.store.read() as work:
        return work.batches.quarantined(batch_id, limit)


def reports(desk: Desk, limit: int = 50, reference: Reference | None = None) -> list[StoredReport]:
    """The newest drift reports."""
    with desk.store.read() as work:
        return work.drift.latest(limit, reference)


def promotions(desk: Desk, limit: int = 50) -> list[Promotion]:
    """The newest versions and where each stands."""
    with desk.store.read() as work:
        return work.promotions.latest(limit)


def rollback_target(desk: Desk) -> Promotion | None:
    """The version that a rollback would bring back."""
    with desk.store.read() as work:
        return work.promotions.before_live()


def registered_elsewhere(desk: Desk) -> list[RegisteredVersion]:
    """The versions in the registry that were never proposed at this desk, newest first.

    Raises:
        RegistryUnavailable: MLflow is away.
    """
    with desk.store.read() as work:
        known = {p.version for p in work.promotions.latest(1000)}
    return [v for v in desk.registry.versions() if v.version not in known]


def served(desk: Desk) -> dict[str, Any]:
    """What serving says of its model; empty without one.

    Raises:
        ServingUnavailable: serving is away.
    """
    return desk.serving.model()


def contract_of(served: dict[str, Any]) -> Contract:
    """The contract of the served model, out of what serving says of it."""
    return Contract.from_json(json.dumps(served["contract"]))


def audit(desk: Desk, limit: int = 100, *, subject: str = "") -> list[AuditEvent]:
    """The newest acts on record."""
    with desk.store.read() as work:
        return work.audit.latest(limit, subject=subject)


def predictions(desk: Desk, limit: int = 20) -> list[LoggedPrediction]:
    """The newest answers that serving gave."""
    with desk.store.read() as work:
        return work.predictions.latest(limit)


def prediction(desk: Desk, prediction_id: str) -> LoggedPrediction:
    """One answer that serving gave.

    Raises:
        Missing: it is not on record (yet).
    """
    with desk.store.read() as work:
        found = work.predictions.get(prediction_id)
    if found is None:
        raise Missing(f"There is no prediction {prediction_id} on record.")
    return found


def search_predictions(
    desk: Desk,
    *,
    id_prefix: str = "",
    version: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    value: str = "",
    before: str = "",
    limit: int = 25,
) -> Page:
    """One page of the prediction log, newest first; `before` is what `place` made of the last.

    Raises:
        BadInput: the start of the id, or the place, is none.
    """
    start = id_prefix.strip().lower()
    if start and not ID_PREFIX.fullmatch(start):
        raise BadInput("An id is searched for by its first characters, four at least: 3fa8…")
    try:
        at, _, after = before.partition("~")
        place_before = Place(datetime.fromisoformat(at).astimezone(UTC), after) if before else None
    except ValueError as error:
        raise BadInput("This page of the history is none. Start from the newest.") from error
    search = Search(start, version, since, until, value.strip())
    with desk.store.read() as work:
        return work.predictions.search(search, limit, place_before)


def place(page: Page) -> str:
    """Where the next page begins, as text for an address; empty at the end."""
    return f"{page.older.at.isoformat()}~{page.older.id}" if page.older else ""


@dataclass(frozen=True, slots=True)
class Service:
    """A neighbour: is it well, how long did it take to say so, and what to do if it is not."""

    name: str
    healthy: bool
    says: str
    milliseconds: float
    link: str
    advice: str


def services(desk: Desk) -> list[Service]:
    """Ask every neighbour how it is, all at once; takes as long as the slowest."""
    s = desk.settings
    checks: list[Callable[[], Service]] = [
        lambda: _http("MLflow", f"{s.mlflow_tracking_uri}/health", s.mlflow_link or
                      s.mlflow_tracking_uri, "Start MLflow or check MLFLOW_TRACKING_URI."),
        *(
            lambda url=url: _serving(desk, url)
            for url in s.serving_urls
        ),
        lambda: _http("Data API", f"{s.data_api_url.rstrip('/')}/health", s.data_api_url,
                      "Start the data API or check DATA_API_URL."),
        lambda: _own("Queue (Redis)", lambda: f"version {desk.queue.ping()}", "Check REDIS_URL."),
        lambda: _own("Database", lambda: _database(desk), "Check DATABASE_URL, then migrate."),
        lambda: _own("Workers", lambda: _workers(desk), "Start them: python -m workers run."),
    ]  # fmt: skip
    with ThreadPoolExecutor(len(checks)) as pool:
        return [future.result() for future in [pool.submit(check) for check in checks]]


def _http(name: str, url: str, link: str, advice: str) -> Service:
    seen = probe(url)
    return Service(
        name, seen.healthy, seen.says, seen.seconds * 1000, link, "" if seen.healthy else advice
    )


def _serving(desk: Desk, url: str) -> Service:
    """A replica is well when it answers, with or without a model."""
    start = time.perf_counter()
    link = f"{desk.settings.serving_link or url}/docs"
    try:
        model = desk.serving.model(url)
    except DriftdeskError as error:
        took = (time.perf_counter() - start) * 1000
        return Service("Serving", False, str(error), took, link, "Start it: python -m serving.")
    took = (time.perf_counter() - start) * 1000
    says = f"version {model['version']}" if model else "no model is live yet"
    return Service("Serving", True, says, took, link, "")


def _own(name: str, look: Callable[[], str], advice: str) -> Service:
    start = time.perf_counter()
    try:
        says = look()
    except DriftdeskError as error:
        return Service(name, False, str(error), (time.perf_counter() - start) * 1000, "", advice)
    return Service(name, True, says, (time.perf_counter() - start) * 1000, "", "")


def _database(desk: Desk) -> str:
    with desk.store.read() as work:
        work.batches.epoch()
    return desk.store.engine.dialect.name


def _workers(desk: Desk) -> str:
    workers = desk.queue.workers()
    if not workers:
        raise Missing("no worker has reported")
    waiting = sum(desk.queue.lengths().values())
    states = ", ".join(f"{w.queue} {w.state}" for w in sorted(workers, key=lambda w: w.queue))
    return f"{states}; {waiting} waiting"
