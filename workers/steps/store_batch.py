"""Stores a batch that was received: rows, profile, counts and the job's end in one transaction.

A batch that cannot be stored is closed after a bounded number of tries, so that it does not hold up
those behind it (see `core.rules.data.batch_ledger` and `workers.steps.batch_attempts`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pyarrow import RecordBatch

from core.adapters.readers import parse
from core.adapters.readers.port import MOST_BYTES
from core.adapters.spool import SpoolFolder
from core.adapters.store import Work
from core.adapters.store.staged_rows import StagedRows
from core.domain.batches import Batch, BatchState
from core.domain.dataset import Dataset
from core.domain.errors import (
    BatchUnreadable,
    IllegalTransition,
    JobCancelled,
    LeaseLost,
    SpoolDamaged,
    SpoolUnavailable,
)
from core.domain.job_results import BatchNotStored, BatchStored
from core.domain.jobs import Job
from core.domain.safe_text import printable
from core.domain.sources import first_number
from core.platform.disk_errors import disk_errors
from core.rules.data.batch_ledger import gap_before, stored_note
from core.rules.data.profile import Profiler
from core.usecases.follow_up_jobs import compare_after
from workers.runtime.job_run import Run
from workers.steps import epoch_change
from workers.steps.batch_attempts import Tries
from workers.steps.cancellable import given_up_at_once, read_chunks
from workers.steps.read_ahead import read_ahead
from workers.steps.spool_recovery import is_upload

LARGEST_NUMBER = 2**31 - 1
"""The largest batch_number that every database keeps."""

_WAITS = "the batch was not stored and waits"


@dataclass(frozen=True, slots=True)
class StoreBatch:
    """Stores one batch from the spool; `is_cancel_announced` is asked while rows load."""

    spool: SpoolFolder
    dataset: Dataset
    tries: Tries
    retain_epochs: int
    submit: Callable[[int], None]
    is_cancel_announced: Callable[[Job], bool]
    most_bytes: int = MOST_BYTES

    def __call__(self, run: Run, batch: Batch) -> None:
        """Store a batch, trying again at once where that may help; close it after the last try.

        Raises:
            BatchClosed: it could not be stored.
            BatchUnreadable: its bytes are no batch.
            Unavailable: database, spool or disk is away; the batch waits.
        """
        while True:
            try:
                with self.tries.counted(run, batch), disk_errors(_WAITS, all_errors=False):
                    drift_job = self._read(run, batch)
                break
            except (LeaseLost, JobCancelled, BatchUnreadable, IllegalTransition):
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, the line must go on
                self.tries.after_failure(run, batch, error)
        if drift_job is None:
            return
        with suppress(OSError, SpoolUnavailable):  # else the next ingest deletes it
            self.spool.delete(batch.spool)
        self.submit(drift_job)

    def _read(self, run: Run, batch: Batch) -> int | None:
        """Store a batch; returns the comparison that follows, None where nothing was added."""
        path = self.spool.local / batch.spool
        try:
            with run.interruptible():
                path = self.spool.bring(batch.spool, batch.bytes, batch.content_hash)
                number: int | None = parse.batch_number(path, self.most_bytes)
            if number is not None and number > LARGEST_NUMBER:
                raise BatchUnreadable(f"The batch_number is larger than {LARGEST_NUMBER:,}.")
            run.about(epoch=batch.epoch, batch=number)
            if self._is_settled(run, batch, number):
                return None
            return self._load(run, batch, path, number)
        except (BatchUnreadable, FileNotFoundError) as error:
            if path.exists() and isinstance(error, FileNotFoundError):
                raise
            note, state = str(error), BatchState.UNREADABLE
            if isinstance(error, FileNotFoundError):
                note = f"The spool file {batch.spool} is gone."
            elif not isinstance(error, SpoolDamaged):
                note += " Its bytes are kept in the spool."
            if batch.origin and isinstance(error, (FileNotFoundError, SpoolDamaged)):
                state = BatchState.LOST
                if is_upload(batch):
                    note += " Upload the file again."
                else:
                    note += " The source still has what was in it, and is asked for it again."
            with run.store.begin() as work:
                run.fence(work)
                work.batches.close(batch, state, note=note)
                work.commit()
            raise BatchUnreadable(note) from error

    def _is_settled(self, run: Run, batch: Batch, number: int | None) -> bool:
        """Close a batch that can add nothing: its epoch is over, or it was stored before.

        The number of any other one is noted, so that it is known however storing ends.
        """
        name = f"Batch {number}" if number is not None else "The batch"
        if batch.origin:
            name += f" ({printable(batch.origin)})"
        with run.store.begin() as work:
            run.fence(work)
            epoch = work.batches.epoch()
            same = _stored_before(work, batch, number)
            if epoch is not None and batch.epoch < epoch.number:
                state = BatchState.SKIPPED
                note = f"{name} was not stored: epoch {batch.epoch} is over."
            elif same is None:
                if number is not None:
                    work.batches.note_number(batch.id, number)
                work.commit()
                return False
            elif same.content_hash == batch.content_hash:
                state = BatchState.REPEATED
                which = f" as batch {same.number}" if number is None else ""
                note = f"{name} came again with the same content{which}; nothing was added."
            else:
                state = BatchState.CONFLICT
                note = (
                    f"{name} came again with other content; what was stored first as batch "
                    f"{same.number} stays, and the new bytes are in the spool as {batch.spool}."
                )
            work.batches.close(batch, state, number=number, note=note)
            work.jobs.log(run.job.id, note, "warning")
            run.complete(work, BatchNotStored(number, state, note))
        return True

    def _load(self, run: Run, batch: Batch, path: Path, number: int | None) -> int:
        """Read, check and load the rows, at the same time if the database allows it."""
        profiler, read_result = Profiler(self.dataset), parse.ReadResult()
        # If this process dies, the next ingest deletes files with this ending.
        staging = path.with_suffix(f".{run.job.attempt}.arrow")
        most = self.most_bytes
        reading = read_chunks(run, path, self.dataset, profiler, number, most_bytes=most)
        try:
            with read_ahead(reading) as chunks:
                with run.interruptible():
                    rows = run.store.prepared(staging, read_result.rows(chunks))
                with run.store.begin() as work:
                    # The lease is checked by `complete`, at the end: a check locks the job's row,
                    # and neither a heartbeat nor a request to cancel could be written while rows
                    # load.
                    with given_up_at_once(run, work, self.is_cancel_announced):
                        result = self._write(
                            run,
                            work,
                            batch,
                            number,
                            rows=rows,
                            read_result=read_result,
                            profiler=profiler,
                        )
                    then_train = bool(run.job.args.get("then_train"))
                    drift = compare_after(work, run.job, batch.id, then_train=then_train)
                    work.jobs.log(run.job.id, result.note)
                    run.complete(work, replace(result, drift_job=drift.id))
        finally:
            staging.unlink(missing_ok=True)
        return drift.id

    def _write(
        self,
        run: Run,
        work: Work,
        batch: Batch,
        number: int | None,
        *,
        rows: Iterable[RecordBatch] | StagedRows,
        read_result: parse.ReadResult,
        profiler: Profiler,
    ) -> BatchStored:
        """All changes of storing a batch, for the caller to commit in one transaction.

        The rows come first, so that no row that others write is locked while they load, and the
        batch can be skipped until they are loaded.
        """
        epoch = work.batches.epoch()
        current = epoch.number if epoch else 0
        begins = batch.epoch > current
        work.rows.load(current + begins, batch.id, rows)
        stored, quarantined = read_result.valid, read_result.quarantined
        ends = None
        if epoch is None or begins:
            ends = epoch_change.end(run, work, batch.epoch, self.retain_epochs)
            epoch = work.batches.open_epoch()
            work.batches.leave_earlier(epoch.number)
        if number is None:
            number = work.batches.next_number(epoch.number)
        arrived = work.batches.arrived(epoch.number)
        gap = gap_before(number, arrived, first_number(self.dataset.source))
        note = stored_note(number, epoch.number, batch.origin, stored, len(quarantined))
        if gap:
            note += f" {gap} batch{'es' if gap > 1 else ''} before it never arrived."
        if ends:
            note += f" {ends.counts}"
        work.batches.store(
            batch,
            epoch=epoch.number,
            number=number,
            stored=stored,
            quarantined=quarantined,
            gap=gap,
            note=note,
        )
        work.batches.settle(batch, number, gap)
        work.batches.add_profile("batch", batch.id, profiler.finish())
        return BatchStored(
            batch=number,
            batch_id=batch.id,
            epoch=epoch.number,
            rows=stored + len(quarantined),
            stored=stored,
            quarantined=len(quarantined),
            gap=gap,
            note=note,
            ended=ends.to_json() if ends else None,
        )


def _stored_before(work: Work, batch: Batch, number: int | None) -> Batch | None:
    """The stored batch with this number in its epoch, or of the same origin.

    The name of an uploaded file is only a label, so its content counts instead.
    """
    if number is not None:
        for stored in work.batches.stored(batch.epoch):
            if stored.number == number:
                return stored
    if is_upload(batch):
        return work.batches.of_content(batch.content_hash)
    if not batch.origin:
        return None
    entries = work.batches.of_origins([batch.origin])[batch.origin]
    return next((b for b in entries if b.state is BatchState.STORED), None)
