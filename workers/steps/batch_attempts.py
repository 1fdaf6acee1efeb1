"""The tries of a batch: counted before its bytes are read, and closed when they are used up.

The rule stands in `core.rules.data.batch_ledger`. Here it is carried out, so that it holds for a
process that dies: a try is committed before anything is read, and whoever comes next counts on.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from core.adapters.spool import SpoolFolder
from core.adapters.store import Work
from core.adapters.store.transient_errors import is_passing
from core.domain.audit_event import ITSELF
from core.domain.batches import Batch, BatchState
from core.domain.errors import (
    BatchClosed,
    DiskRefused,
    DriftdeskError,
    JobCancelled,
    SpoolUnavailable,
    StoreUnavailable,
    Unavailable,
)
from core.domain.safe_text import printable
from core.rules.data.batch_ledger import is_out_of_tries
from core.rules.ops.notification import Event, closed
from workers.runtime.job_run import Run

LEAST_DISK = 16_000_000
"""Bytes that must be free before an answer is asked for or a batch is prepared."""

EXCUSED = ".excused"
"""Ending of a file that says: the last try was excused, and the database could not be told."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tries:
    """The tries that a batch has, for the run of one job."""

    spool: SpoolFolder
    most: int

    def first_in_line(self, run: Run, after_epoch: int = 0) -> Batch | None:
        """The batch to store next; those before it that are out of tries are closed."""
        while True:
            with run.store.read() as work:
                batch = work.batches.received(after_epoch=after_epoch)
            if batch is None:
                return None
            batch = self._settled(run, batch)
            if not is_out_of_tries(batch, self.most):
                return batch
            self.close(run, batch, "the process that stored it died or was stopped each time")

    @contextmanager
    def counted(self, run: Run, batch: Batch) -> Iterator[None]:
        """Count one try, which the block is. It is excused where it ends for a passing reason."""
        require_disk(self.spool.local, "the batch was received before and waits to be stored")
        with run.store.begin() as work:
            run.fence(work)
            work.batches.begin_try(batch.id)
            work.commit()
        try:
            yield
        except (JobCancelled, SpoolUnavailable):
            self._excuse(run, batch)
            raise
        except StoreUnavailable as error:
            if is_passing(error) or not _answers(run):
                self._excuse(run, batch)
            raise

    def close(self, run: Run, batch: Batch, why: str) -> str:
        """Close a batch that is out of tries, put that on record, and tell it; returns the note."""
        note = (
            f"Closed: it could not be stored in {batch.tries} tries; {why.rstrip('.')}. The bytes "
            f"are kept in the spool as {batch.spool}. `driftdesk batch retry {batch.id}` reads it "
            "again."
        )
        with run.store.begin() as work:
            run.fence(work)
            work.batches.close(batch, BatchState.CLOSED, note=note)
            put_on_record(work, batch, note)
            work.jobs.log(run.job.id, f"Entry {batch.id} of the ledger: {note}", "error")
            work.commit()
        log.error("batch closed", batch=batch.number, entry=batch.id, reason=why)
        return note

    def after_failure(self, run: Run, batch: Batch, error: Exception) -> None:
        """Return where the batch is to be tried again at once. Meant for the handler of `error`.

        Raises:
            BatchClosed: it has no try left.
            Exception: the error itself, where waiting may help.
        """
        why, can_wait = _why(error), isinstance(error, (Unavailable, OSError))
        if not can_wait:  # unexpected, so the worker's log has the traceback
            log.error("a batch was not stored", entry=batch.id, exc_info=error)
        with run.store.read() as work:
            batch = work.batches.get(batch.id)
        if is_out_of_tries(batch, self.most):
            raise BatchClosed(self.close(run, batch, why)) from error
        if can_wait:
            raise error
        run.say(f"Try {batch.tries} of {self.most} did not store the batch: {why}", "warning")

    def _excuse(self, run: Run, batch: Batch) -> None:
        try:
            with run.store.begin() as work:
                run.fence(work)
                work.batches.excuse(batch.id)
                work.commit()
        except DriftdeskError:
            with suppress(OSError, SpoolUnavailable):
                self.spool.touch(_marker(batch))

    def _settled(self, run: Run, batch: Batch) -> Batch:
        """The batch, after an excuse that could only be noted on disk is in the ledger."""
        if self.spool.find(_marker(batch)) is None:
            return batch
        with run.store.begin() as work:
            run.fence(work)
            work.batches.excuse(batch.id)
            batch = work.batches.get(batch.id)
            work.commit()
        self.spool.delete(_marker(batch))
        return batch


def _marker(batch: Batch) -> str:
    return f"{batch.spool}{EXCUSED}"


def put_on_record(work: Work, batch: Batch, note: str) -> None:
    """Write the audit row and the notice of a batch that the desk has closed."""
    subject = f"batch:{batch.id}"
    details = {"epoch": batch.epoch, "number": batch.number, "tries": batch.tries}
    work.audit.add(ITSELF, "close batch", subject, reason=note, details=details)
    work.notifications.add(Event.CLOSED, subject, closed(batch, note))


def require_disk(folder: Path, consequence: str) -> None:
    """Go on only where the disk has room; so a full one costs no answer and no try.

    `consequence` ends the sentence for the operator.

    Raises:
        DiskRefused: it is nearly full.
    """
    free = shutil.disk_usage(folder).free
    if free < LEAST_DISK:
        raise DiskRefused(
            f"The disk of {folder.name} in DATA_DIR has {free / 1e6:,.0f} MB free; ingest needs "
            f"{LEAST_DISK / 1e6:,.0f}. Make room; {consequence}."
        )


def _answers(run: Run) -> bool:
    """Whether the database answers now, so that a failure before may lie with the batch."""
    try:
        with run.store.begin() as work:
            run.fence(work)
            work.commit()
    except StoreUnavailable:
        return False
    return True


def _why(error: Exception) -> str:
    """What went wrong, for the ledger: a sentence of ours, or the kind of error and its text."""
    if isinstance(error, Unavailable):
        return printable(str(error))
    cause = getattr(error, "orig", None) or error
    text = str(cause)[:300].rstrip(" .")
    return printable(f"{type(error).__name__}: {text}.")
