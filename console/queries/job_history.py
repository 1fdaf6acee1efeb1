"""Queries about the past: jobs by filter, the batch ledger by epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from console.desk import Desk
from core.domain.batches import Batch, Epoch
from core.domain.jobs import Job, JobKind, JobState
from core.domain.sources import first_number
from core.rules.data.batch_ledger import gaps

PAGE = 10

_ENTRIES = 10_000
"""How many entries of an epoch's ledger are read at most."""


@dataclass(frozen=True, slots=True)
class JobFilter:
    """A filter for jobs; empty fields match all. `text` is a job id, or words of log or error."""

    kind: JobKind | None = None
    state: JobState | None = None
    actor: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class EpochLedger:
    """An epoch's entries, newest first, and the numbers that are missing among all of them.

    `is_whole` is False if there are older entries.
    """

    entries: list[Batch]
    gaps: list[range]
    is_whole: bool


def count(desk: Desk, wanted: JobFilter) -> int:
    """How many jobs match the filter."""
    with desk.store.read() as work:
        return work.job_search.count(**asdict(wanted))


def jobs(desk: Desk, wanted: JobFilter, page: int = 1) -> list[Job]:
    """A page of the matching jobs, newest first."""
    with desk.store.read() as work:
        return work.job_search.jobs(**asdict(wanted), limit=PAGE, offset=(page - 1) * PAGE)


def open_jobs(desk: Desk) -> tuple[int, ...]:
    """The ids of the open jobs."""
    with desk.store.read() as work:
        return tuple(job.id for job in work.jobs.open())


def actors(desk: Desk) -> list[str]:
    """Everyone who requested a job."""
    with desk.store.read() as work:
        return work.job_search.actors()


def epochs(desk: Desk) -> list[Epoch]:
    """Every epoch, newest first."""
    with desk.store.read() as work:
        return work.batches.epochs()


def ledger(desk: Desk, epoch: int) -> EpochLedger:
    """An epoch's ledger."""
    with desk.store.read() as work:
        entries = work.batches.ledger(_ENTRIES, epoch=epoch)
        arrived = work.batches.arrived(epoch)
    missing = gaps(arrived, first_number(desk.dataset.source))
    return EpochLedger(entries, missing, is_whole=len(entries) < _ENTRIES)


def reasons(desk: Desk, batch_id: int) -> list[tuple[str, int]]:
    """The quarantine reasons of a batch, with the number of rows for each."""
    with desk.store.read() as work:
        return work.job_search.reasons(batch_id)
