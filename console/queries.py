"""What an operator may ask: reads only, bounded, straight from the stores."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from console.desk import Desk
from core.contract import Contract
from core.errors import BadInput, Missing
from core.records import (
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
