"""Read-only, bounded queries of the stores for operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from console.desk import Desk
from core.adapters.store import Work
from core.domain.batches import Batch, Epoch
from core.domain.drift import Reference, StoredReport
from core.domain.errors import SourceRefused
from core.domain.job_results import BatchCompared
from core.domain.jobs import Job, JobKind, JobState, LogLine
from core.domain.profiles import ColumnProfile
from core.domain.promotions import Promotion, PromotionState
from core.domain.sources import NO_RESTART, can_restart
from core.rules.data.epoch_ending import Ending, EpochRows
from core.rules.drift.batch_verdict import BatchVerdict, Stand
from core.rules.model.promotion_states import why_stale
from core.rules.model.verdict_validity import (
    Recommendation,
    Standing,
    re_evaluation_failed,
    recommend,
)
from core.usecases import batch_facts
from core.usecases.batch_facts import NewestBatches, newest_batches
from core.usecases.epoch_end import ending, ends_epoch, restarts_by_itself
from core.usecases.open_candidates import judge_key

if TYPE_CHECKING:
    from core.adapters.mlflow.registry import RegisteredVersion


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the pipeline.

    `batches` has the verdicts of the latest batches. `ending` describes what the end of the epoch
    removes; `ends_next` is True if the next ingest is expected to end the epoch. `held` are the
    held batches of the epoch, `rows` the epochs with rows in the database, newest first.
    `failures` says by version how its last re-evaluation failed.
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
    failures: Mapping[int, str] = field(default_factory=dict)

    @property
    def live_version(self) -> int | None:
        """The live version on record, if any."""
        return self.live.version if self.live else None

    @property
    def to_review(self) -> Promotion | None:
        """The newest candidate that is recommended: a person has to decide first."""
        recommended = (
            c for c in self.candidates
            if self.recommendation(c).standing is Standing.RECOMMENDED
        )  # fmt: skip
        return next(recommended, None)

    @property
    def next_step(self) -> JobKind | None:
        """The step that is sensible now; None while jobs run or a person has to decide first."""
        newest = self.batches.newest
        if self.open_jobs or self.to_review:
            return None
        if newest and newest.stand is Stand.UNCOMPARED:
            return JobKind.DRIFT
        return JobKind.TRAIN if newest and newest.asks else JobKind.INGEST

    @property
    def last_compared(self) -> BatchVerdict | None:
        """Today's verdict about the batch that was compared last: it may not be the newest one."""
        job = self.last_jobs.get(JobKind.DRIFT)
        if job and isinstance(job.result, BatchCompared):
            return self.batches.about(job.result.epoch, job.result.batch)
        return self.batches.newest

    def recommendation(self, promotion: Promotion) -> Recommendation:
        """The current recommendation about a version."""
        judging = {int(j.args["version"]) for j in self.open_jobs if j.evaluates}
        failure = self.failures.get(promotion.version, "")
        return recommend(promotion, self.live_version, judging, failure)


def status(desk: Desk) -> Status:
    """The state of the pipeline, read in one transaction."""
    with desk.store.read() as work:
        batch, candidates = (
            work.batches.last_stored(),
            work.promotions.latest(20, PromotionState.PROPOSED),
        )
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
            candidates,
            work.jobs.open(),
            {kind: jobs[0] for kind, jobs in last.items() if jobs},
            newest_batches(work, desk.dataset),
            ends,
            ends_next,
            tuple(work.holds.held(epoch.number)) if epoch else (),
            tuple(work.lineage.rows()),
            _failures(work, candidates),
        )


def _failures(work: Work, candidates: Sequence[Promotion]) -> dict[int, str]:
    """How the last re-evaluation of each candidate failed, of those that were not re-evaluated."""
    live, failures = work.promotions.live_version(), {}
    for version in (c.version for c in candidates if why_stale(c, live)):
        job = work.jobs.newest_of(judge_key(version))
        if job and job.state is JobState.FAILED:
            failures[version] = re_evaluation_failed(job.id, job.error)
    return failures


def ends(desk: Desk, *, restart: bool) -> Ending | None:
    """The end of the epoch that the next ingest is expected to cause, if any.

    Raises:
        SourceRefused: it is to `restart` a source that cannot be.
    """
    if restart and not can_restart(desk.dataset.source):
        raise SourceRefused(NO_RESTART)
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


def first_of_content(desk: Desk, batch: Batch) -> Batch | None:
    """The first stored batch with the same content; it may be this one."""
    with desk.store.read() as work:
        return work.batches.of_content(batch.content_hash)


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


def training_now(desk: Desk, epoch: int | None = None) -> batch_facts.TrainingNow:
    """What a training on an epoch would use, by default on the current one; why it needs a reason.

    `epoch` is that of the rows; see `core.usecases.batch_facts.training_now`.
    """
    with desk.store.read() as work:
        return batch_facts.training_now(work, desk.dataset, epoch)


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


def registered_elsewhere(desk: Desk) -> list[RegisteredVersion]:
    """The registered versions that were never proposed here, newest first.

    Raises:
        RegistryUnavailable: MLflow is unreachable.
    """
    versions = desk.registry.versions()
    with desk.store.read() as work:
        proposed = work.promotions.known([v.version for v in versions])
    return [v for v in versions if v.version not in proposed]
