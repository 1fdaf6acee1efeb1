"""What the Drift page and `driftdesk limits` ask: reads only, bounded, never of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from console.desk import Desk
from core.advice import Advice, BatchScore
from core.limits import Cell, Key, LimitEntry, Preview, of_dataset, preview
from core.records import Batch, ColumnProfile, Reference, StoredReport

MOST_BATCHES = 200
"""How far back the history goes."""

SCORED = 12
"""How many batches' errors are shown."""

Profiles = dict[str, ColumnProfile]


@dataclass(frozen=True, slots=True)
class ComparedBatch:
    """A batch that was compared, as the list of them names it."""

    id: int
    epoch: int
    number: int

    @property
    def name(self) -> str:
        """How people tell it from others."""
        return f"epoch {self.epoch}, batch {self.number}"


def compared(desk: Desk) -> list[ComparedBatch]:
    """The newest batches that were compared, newest first."""
    with desk.store.read() as work:
        return [ComparedBatch(*found) for found in work.drift.compared(MOST_BATCHES)]


@dataclass(frozen=True, slots=True)
class View:
    """One batch's comparisons: with the batch before, and with the newest champion's rows.

    `stamp` changes whenever a report is written.
    """

    batch: Batch
    reports: dict[Reference, StoredReport]
    advice: Advice | None
    stamp: tuple[int, datetime | None]


def view(desk: Desk, batch_id: int) -> View:
    """What was found about one batch.

    Raises:
        Missing: there is no such batch.
    """
    with desk.store.read() as work:
        reports = {r.reference: r for r in reversed(work.drift.latest(8, batch_id=batch_id))}
        return View(
            work.batches.get(batch_id),
            reports,
            work.drift.advice(batch_id),
            work.drift.stamp(),
        )


def profiles(desk: Desk, report: StoredReport) -> tuple[Profiles, Profiles]:
    """The profiles that a report compared: the reference's and the batch's, by column.

    The reference's is empty for the first batch of all.
    """
    with desk.store.read() as work:
        if report.reference is Reference.PREVIOUS:
            before = work.batches.last_stored(before=report.batch_id)
            then = work.batches.profile("batch", before.id) if before else ()
        else:
            version = int(report.reference_name.rsplit(" ", 1)[-1])
            then = work.batches.profile("model", version)
        now = work.batches.profile("batch", report.batch_id)
    return {p.column: p for p in then}, {p.column: p for p in now}


def scores(desk: Desk, batch: Batch, version: int) -> list[tuple[int, BatchScore]]:
    """One version's error on the newest batches up to this one, as (batch number, score)."""
    with desk.store.read() as work:
        stored = [b for b in work.batches.stored(batch.epoch) if b.id <= batch.id][-SCORED:]
        numbers = {b.id: b.number or 0 for b in stored}
        found = work.scores.of(version, list(numbers))
    return [(numbers[s.batch_id], s) for s in found]


def history(desk: Desk, reference: Reference, limit: int = MOST_BATCHES) -> list[Cell]:
    """Every statistic of the newest batches against one reference, oldest first."""
    with desk.store.read() as work:
        return work.drift.cells(reference, limit)


@dataclass(frozen=True, slots=True)
class InForce:
    """The limits as the file has them, as they were set, and what was set when."""

    files: dict[Key, float]
    set_here: dict[Key, float]
    entries: list[LimitEntry]

    @property
    def limits(self) -> dict[Key, float]:
        """What the next comparison is judged by."""
        return {key: self.set_here.get(key, value) for key, value in self.files.items()}


def limits(desk: Desk, entries: int = 50) -> InForce:
    """The limits in force, and how they came about."""
    with desk.store.read() as work:
        return InForce(
            of_dataset(desk.dataset), work.limits.in_force(), work.limits.history(entries)
        )


def would_have_said(cells: list[Cell], wanted: Mapping[Key, float]) -> list[Preview]:
    """What past reports would have said under other limits, newest first."""
    return preview(cells, wanted)[::-1]
