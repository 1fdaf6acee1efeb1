"""Queries about the past: jobs by filter, the batch ledger by epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date

from console.desk import Desk
from core.domain.batches import Batch, BatchState, Epoch
from core.domain.jobs import Job, JobKind, JobState
from core.domain.sources import first_number
from core.rules.data.batch_ledger import gaps
from core.rules.drift.batch_verdict import Stand
from core.rules.ops import run_calendar
from core.usecases import batch_facts

PAGE = 10

JUDGED = 50
"""How many of an epoch's batches, the newest, are listed with their standing."""

_ENTRIES = 10_000
"""How many entries of an epoch's ledger are read at most."""


@dataclass(frozen=True, slots=True)
class JobFilter:
    """A filter for jobs; empty fields match all. `text` is a job id, or words of log or error.

    `day` is that of the request, in UTC.
    """

    kind: JobKind | None = None
    state: JobState | None = None
    actor: str = ""
    text: str = ""
    day: date | None = None


@dataclass(frozen=True, slots=True)
class EpochLedger:
    """An epoch's entries, newest first, and the numbers that are missing among all of them.

    `is_whole` is False if there are older entries. `stands` has the standing of the newest stored
    batches, by the batch's id.
    """

    entries: list[Batch]
    gaps: list[range]
    is_whole: bool
    stands: dict[int, Stand]


def count(desk: Desk, wanted: JobFilter) -> int:
    """How many jobs match the filter."""
    with desk.store.read() as work:
        return work.job_search.count(**asdict(wanted))


def jobs(desk: Desk, wanted: JobFilter, page: int = 1, size: int = PAGE) -> list[Job]:
    """A page of the matching jobs, newest first; `size` jobs are on each."""
    with desk.store.read() as work:
        return work.job_search.jobs(**asdict(wanted), limit=size, offset=(page - 1) * size)


def open_jobs(desk: Desk) -> tuple[int, ...]:
    """The ids of the open jobs."""
    with desk.store.read() as work:
        return tuple(job.id for job in work.jobs.open())


def actors(desk: Desk) -> list[str]:
    """Everyone who requested a job."""
    with desk.store.read() as work:
        return work.job_search.actors()


def calendar(desk: Desk, month: date) -> list[list[run_calendar.Day | None]]:
    """The weeks of a month, given by its first day, with the runs of each day."""
    with desk.store.read() as work:
        by_day = work.job_search.by_day(month, run_calendar.beside(month, 1))
        return run_calendar.weeks(month, by_day, work.schedules.all(), work.now)


def epochs(desk: Desk) -> list[Epoch]:
    """Every epoch, newest first."""
    with desk.store.read() as work:
        return work.batches.epochs()


def ledger(desk: Desk, epoch: int) -> EpochLedger:
    """An epoch's ledger."""
    with desk.store.read() as work:
        entries = work.batches.ledger(_ENTRIES, epoch=epoch)
        arrived = work.batches.arrived(epoch)
        stored = [b for b in entries if b.state is BatchState.STORED][:JUDGED]
        verdicts = batch_facts.verdicts_of(work, stored)
    missing = gaps(arrived, first_number(desk.dataset.source))
    return EpochLedger(
        entries,
        missing,
        is_whole=len(entries) < _ENTRIES,
        stands={batch_id: verdict.stand for batch_id, verdict in verdicts.items()},
    )


def reasons(desk: Desk, batch_id: int) -> list[tuple[str, int]]:
    """The quarantine reasons of a batch, with the number of rows for each."""
    with desk.store.read() as work:
        return work.job_search.reasons(batch_id)
