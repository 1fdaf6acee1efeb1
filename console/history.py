"""What an operator may ask about the past: jobs by filter, the ledger by epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from console.desk import Desk
from core.records import Batch, Epoch, Job, JobKind, JobState

PAGE = 10


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs are wanted; what is empty wants all. `text` is a number, or words they said."""

    kind: JobKind | None = None
    state: JobState | None = None
    actor: str = ""
    text: str = ""


def count(desk: Desk, wanted: JobFilter) -> int:
    """How many jobs fit the filter."""
    with desk.store.read() as work:
        return work.history.count(**asdict(wanted))


def jobs(desk: Desk, wanted: JobFilter, page: int = 1) -> list[Job]:
    """A page of history, newest first."""
    with desk.store.read() as work:
        return work.history.jobs(**asdict(wanted), limit=PAGE, offset=(page - 1) * PAGE)


def open_jobs(desk: Desk) -> tuple[int, ...]:
    """The numbers of the jobs that are not over."""
    with desk.store.read() as work:
        return tuple(job.id for job in work.jobs.open())


def actors(desk: Desk) -> list[str]:
    """Everybody who asked for a job."""
    with desk.store.read() as work:
        return work.history.actors()


def epochs(desk: Desk) -> list[Epoch]:
    """Every epoch, newest first."""
    with desk.store.read() as work:
        return work.batches.epochs()


def ledger(desk: Desk, epoch: int) -> list[Batch]:
    """An epoch's ledger, newest first."""
    with desk.store.read() as work:
        return work.history.ledger(epoch)


def reasons(desk: Desk, batch_id: int) -> list[tuple[str, int]]:
    """Why rows of a batch were quarantined, and how many for each reason."""
    with desk.store.read() as work:
        return work.history.reasons(batch_id)
