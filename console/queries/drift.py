"""Read-only, bounded queries of the Drift page and `driftdesk limits`; no row data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from console.desk import Desk
from console.text.batch_ledger import repeats
from core.domain.batches import Batch
from core.domain.drift import Measure, Reference, StoredReport
from core.domain.jobs import Job, JobKind
from core.domain.profiles import ColumnProfile
from core.rules.data.far_values import FarValues, far_values
from core.rules.drift.batch_verdict import BatchVerdict
from core.rules.drift.recommendation import Advice, BatchScore
from core.rules.drift.thresholds import (
    Cell,
    Key,
    LimitEntry,
    Preview,
    of_dataset,
    of_measures,
    preview,
)
from core.usecases.batch_facts import TrainingNow, newest_batches, training_now, verdict_of

MOST_BATCHES = 200
"""How many batches the history covers."""

SCORED = 12
"""For how many batches the error is shown."""

_OWNERS = {Reference.PREVIOUS: "batch", Reference.CHAMPION: "model"}
"""Whose profile a reference's id names."""

_CHANGES = (JobKind.INGEST, JobKind.DRIFT, JobKind.TRAIN)

Profiles = dict[str, ColumnProfile]
Sides = tuple[Profiles, Profiles]
"""The profiles of the reference and of the batch."""


@dataclass(frozen=True, slots=True)
class ComparedBatch:
    """A compared batch, with its name in lists and in the page's address."""

    id: int
    epoch: int
    number: int

    @property
    def name(self) -> str:
        """The batch's name in lists."""
        return f"epoch {self.epoch}, batch {self.number}"

    @property
    def address(self) -> str:
        """The batch in the page's address."""
        return f"{self.epoch}/{self.number}"

    def is_named(self, wanted: str) -> bool:
        """Whether an address names this batch: by epoch and number, or by id (old links)."""
        return wanted in (self.address, str(self.id))


def compared(desk: Desk) -> list[ComparedBatch]:
    """The compared batches, newest first."""
    with desk.store.read() as work:
        return [ComparedBatch(*row) for row in work.drift.compared(MOST_BATCHES)]


@dataclass(frozen=True, slots=True)
class View:
    """One batch's comparisons: with the previous batch and with the champion's training data.

    `repeats` says which earlier batch had the same content; empty if none had.
    `training` says what a training on the batch's epoch would use now, and why it needs a reason;
    `alike` are all batches that one answer fits, this one among them (see `BatchVerdict.is_like`).
    `is_moving`: what is `live` is being changed. `stamp` changes when a report is written.
    """

    batch: Batch
    reports: dict[Reference, StoredReport]
    advice: Advice | None
    verdict: BatchVerdict
    training: TrainingNow
    alike: tuple[BatchVerdict, ...]
    repeats: str
    live: int | None
    is_moving: bool
    stamp: tuple[int, datetime | None]


def view(desk: Desk, batch_id: int) -> View:
    """One batch with its comparisons, verdict and recommendation.

    Raises:
        Missing: there is no such batch.
    """
    with desk.store.read() as work:
        reports = {r.reference: r for r in reversed(work.drift.latest(8, batch_id=batch_id))}
        batch = work.batches.get(batch_id)
        verdict, newest = verdict_of(work, batch), newest_batches(work, desk.dataset)
        return View(
            batch,
            reports,
            work.drift.advice(batch_id),
            verdict,
            training_now(work, desk.dataset, batch.epoch, newest),
            tuple(v for v in newest.waiting if v.is_like(verdict)),
            repeats(
                batch, work.batches.of_content(batch.content_hash) if batch.content_hash else None
            ),
            work.promotions.live_version(),
            any(job.kind is JobKind.PROMOTE for job in work.jobs.open()),
            work.drift.stamp(),
        )


@dataclass(frozen=True, slots=True)
class UnderWay:
    """The open jobs that change what the Drift page shows; `stamp` as in `View`."""

    jobs: tuple[Job, ...]
    stamp: tuple[int, datetime | None]

    @property
    def version(self) -> object:
        """Another value once a job starts or ends, or a report is written."""
        return tuple(job.id for job in self.jobs), self.stamp


def under_way(desk: Desk) -> UnderWay:
    """The jobs that change what the Drift page shows."""
    with desk.store.read() as work:
        jobs = tuple(job for job in work.jobs.open() if job.kind in _CHANGES)
        return UnderWay(jobs, work.drift.stamp())


def profiles(desk: Desk, report: StoredReport) -> tuple[Profiles, Profiles]:
    """The compared profiles by column: the reference's and the batch's.

    The reference profile of the first batch is empty.
    """
    with desk.store.read() as work:
        reference, owner = report.reference_id, _OWNERS[report.reference]
        then = work.batches.profile(owner, reference) if reference is not None else ()
        now = work.batches.profile("batch", report.batch_id)
    return {p.column: p for p in then}, {p.column: p for p in now}


def far(desk: Desk, sides: Sides) -> tuple[FarValues, ...]:
    """The columns whose values lie far outside the reference's range."""
    then, now = sides
    return far_values(then.values(), now.values(), desk.dataset)


def scores(desk: Desk, batch: Batch, version: int) -> list[tuple[int, BatchScore]]:
    """One version's error on the latest batches up to this one, as (batch number, score)."""
    with desk.store.read() as work:
        stored = [b for b in work.batches.stored(batch.epoch) if b.id <= batch.id][-SCORED:]
        numbers = {b.id: b.number or 0 for b in stored}
        scores = work.scores.of(version, list(numbers))
    return [(numbers[s.batch_id], s) for s in scores]


def history(desk: Desk, reference: Reference, limit: int = MOST_BATCHES) -> list[Cell]:
    """All statistics of the latest batches against one reference, oldest first."""
    with desk.store.read() as work:
        return work.drift.cells(reference, limit)


@dataclass(frozen=True, slots=True)
class InForce:
    """The limits of the dataset file, the limits set here, and the change history.

    `measures` are the limits of the measures beside the rule, which only the dataset file sets.
    """

    files: dict[Key, float]
    set_here: dict[Key, float]
    entries: list[LimitEntry]
    measures: dict[tuple[str, Measure], float]

    @property
    def limits(self) -> dict[Key, float]:
        """The limits of the next comparison."""
        return {key: self.set_here.get(key, value) for key, value in self.files.items()}


def limits(desk: Desk, entries: int = 50) -> InForce:
    """The current limits with their change history."""
    with desk.store.read() as work:
        return InForce(
            of_dataset(desk.dataset),
            work.limits.in_force(),
            work.limits.history(entries),
            of_measures(desk.dataset),
        )


def would_have_said(cells: list[Cell], wanted: Mapping[Key, float]) -> list[Preview]:
    """The verdicts of past reports under other limits, newest first."""
    return preview(cells, wanted)[::-1]
