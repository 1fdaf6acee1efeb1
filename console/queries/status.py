"""Read-only, bounded queries of the stores for operators."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from console.desk import Desk
from core.domain.batches import Batch, Epoch
from core.domain.drift import Reference, StoredReport
from core.domain.errors import BadInput, Missing
from core.domain.jobs import Job, JobKind, LogLine
from core.domain.predictions import ID_PREFIX, LoggedPrediction, Page, Place, Search
from core.domain.profiles import ColumnProfile
from core.domain.promotions import Promotion, PromotionState
from core.domain.sources import can_restart
from core.rules.data.epoch_ending import Ending, EpochRows
from core.rules.drift.batch_verdict import Stand
from core.rules.model.contract import Contract
from core.rules.model.verdict_validity import Recommendation, Standing, recommend
from core.usecases import live_terms
from core.usecases.batch_facts import NewestBatches, newest_batches
from core.usecases.epoch_end import ending, ends_epoch, restarts_by_itself

if TYPE_CHECKING:
    from core.adapters.mlflow.registry import RegisteredVersion


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the pipeline.

    `batches` has the verdicts of the latest batches. `ending` describes what the end of the epoch
    removes; `ends_next` is True if the next ingest is expected to end the epoch. `held` are the
    held batches of the epoch, `rows` the epochs with rows in the database, newest first.
    """

    epoch: Epoch | None
    last_batch: Batch | None
    report: StoredReport | None
    live: Promotion | None
    candidates: list[Promotion]
    open_jobs: list[Job]
    last_jobs: dict[JobKind, Job]
    batches: NewestBatches
    ending: Ending | None = None
    ends_next: bool = False
    held: tuple[Batch, ...] = ()
    rows: tuple[EpochRows, ...] = ()

    @property
    def live_version(self) -> int | None:
        """The live version on record, if any."""
        return self.live.version if self.live else None

    @property
    def next_step(self) -> JobKind | None:
        """The step that is sensible now; None while jobs run or a person has to decide first."""
        newest = self.batches.newest
        if self.open_jobs or any(
            self.recommendation(c).standing is Standing.RECOMMENDED for c in self.candidates
        ):
            return None
        if newest and newest.stand is Stand.UNCOMPARED:
            return JobKind.DRIFT
        return JobKind.TRAIN if newest and newest.asks else JobKind.INGEST

    def recommendation(self, promotion: Promotion) -> Recommendation:
        """The current recommendation about a version."""
        judging = {int(j.args["version"]) for j in self.open_jobs if j.kind is JobKind.JUDGE}
        return recommend(promotion, self.live_version, judging)


def status(desk: Desk) -> Status:
    """The state of the pipeline, read in one transaction."""
    with desk.store.read() as work:
        batch = work.batches.last_stored()
        reports = work.drift.latest(1, Reference.PREVIOUS, batch.id) if batch else []
        last = {kind: work.jobs.recent(1, kind) for kind in JobKind}
        epoch = work.batches.epoch()
        ends = ending(work, desk.settings.retain_epochs)
        ends_next = bool(ends and restarts_by_itself(ends, desk.settings))
        if not ends_next and not can_restart(desk.dataset.source):
            ends = None  # nothing ends the epoch of a source that has no end
        return Status(
            epoch,
            batch,
            reports[0] if reports else None,
            work.promotions.live(),
            work.promotions.latest(20, PromotionState.PROPOSED),
            work.jobs.open(),
            {kind: jobs[0] for kind, jobs in last.items() if jobs},
            newest_batches(work, desk.dataset),
            ends,
            ends_next,
            tuple(work.holds.held(epoch.number)) if epoch else (),
            tuple(work.lineage.rows()),
        )


def ends(desk: Desk, *, restart: bool) -> Ending | None:
    """The end of the epoch that the next ingest is expected to cause, if any."""
    with desk.store.read() as work:
        return ends_epoch(work, desk.settings, restart=restart)


def current_epoch(desk: Desk) -> int | None:
    """The number of the current epoch, if there is one."""
    with desk.store.read() as work:
        epoch = work.batches.epoch()
    return epoch.number if epoch else None


def batch_profile(desk: Desk, batch_id: int) -> tuple[ColumnProfile, ...]:
    """The profiles of a batch's columns; empty if none is stored."""
    with desk.store.read() as work:
        return tuple(work.batches.profile("batch", batch_id) or ())


def job(desk: Desk, job_id: int) -> Job:
    """One job.

    Raises:
        Missing: there is no job with that id.
    """
    with desk.store.read() as work:
        return work.jobs.get(job_id)


def job_log(desk: Desk, job_id: int, limit: int = 100) -> list[LogLine]:
    """The last lines of a job's log."""
    with desk.store.read() as work:
        return work.jobs.lines(job_id, limit)


def ledger(desk: Desk, limit: int = 50) -> list[Batch]:
    """The newest entries of the batch ledger."""
    with desk.store.read() as work:
        return work.batches.ledger(limit)


def reports(desk: Desk, limit: int = 50, reference: Reference | None = None) -> list[StoredReport]:
    """The newest drift reports."""
    with desk.store.read() as work:
        return work.drift.latest(limit, reference)


def promotions(desk: Desk, limit: int = 50) -> list[Promotion]:
    """The newest versions with their states."""
    with desk.store.read() as work:
        return work.promotions.latest(limit)


def rollback_target(desk: Desk) -> Promotion | None:
    """The version that a rollback would restore."""
    with desk.store.read() as work:
        return live_terms.rollback_target(work)


def registered_elsewhere(desk: Desk) -> list[RegisteredVersion]:
    """The registered versions that were never proposed here, newest first.

    Raises:
        RegistryUnavailable: MLflow is unreachable.
    """
    versions = desk.registry.versions()
    with desk.store.read() as work:
        proposed = work.promotions.known([v.version for v in versions])
    return [v for v in versions if v.version not in proposed]


def served(desk: Desk) -> dict[str, Any]:
    """The model description from serving; empty if no model is loaded.

    Raises:
        ServingUnavailable: serving is unreachable.
    """
    return desk.serving.model()


def contract_of(served: dict[str, Any]) -> Contract:
    """The input contract in serving's model description."""
    return Contract.from_json(json.dumps(served["contract"]))


def prediction(desk: Desk, prediction_id: str) -> LoggedPrediction:
    """One logged prediction.

    Raises:
        Missing: it is not on record (yet).
    """
    with desk.store.read() as work:
        logged = work.predictions.get(prediction_id)
    if logged is None:
        raise Missing(f"There is no prediction {prediction_id} on record.")
    return logged


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
    """One page of the prediction log, newest first; `before` is the previous page's `place`.

    Raises:
        BadInput: the id prefix or `before` is malformed.
    """
    start = id_prefix.strip().lower()
    if start and not ID_PREFIX.fullmatch(start):
        raise BadInput("Enter at least the first four characters of an id: 3fa8…")
    try:
        at, _, after = before.partition("~")
        place_before = Place(datetime.fromisoformat(at).astimezone(UTC), after) if before else None
    except ValueError as error:
        raise BadInput("This page of the history does not exist. Start from the newest.") from error
    search = Search(start, version, since, until, value.strip())
    with desk.store.read() as work:
        page = work.predictions.search(search, limit, place_before)
        return replace(page, found=work.predictions.with_answers(page.found))


def reported(desk: Desk, ids: Sequence[str]) -> dict[str, float | str]:
    """The actual values or labels that were reported last for these predictions."""
    with desk.store.read() as work:
        known = {id_: work.feedback.of(id_) for id_ in ids}
    return {id_: actual for id_, actual in known.items() if actual is not None}


def place(page: Page) -> str:
    """The position of the next page as text for an address; empty on the last page."""
    return f"{page.older.at.isoformat()}~{page.older.id}" if page.older else ""
