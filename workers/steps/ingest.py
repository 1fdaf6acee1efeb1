"""Ingest: one batch from the source into the tables, or nothing at all.

The order is what makes it safe to kill at any point: a marker on disk, then the request, then
the bytes, then the ledger, then the try that is about to begin, then - in one transaction - rows,
profile, counts and the job's end. This module receives; `workers.steps.store_batch` stores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.adapters.readers.port import MOST_BYTES
from core.adapters.spool import LocalSpool, RemoteSpool
from core.adapters.store import Store
from core.domain.batches import DELIVERY_UNKNOWN, Batch, EpochState
from core.domain.dataset import Dataset
from core.domain.errors import (
    JobCancelled,
    LeaseLost,
    NothingNew,
    SourceExhausted,
    StoreUnavailable,
)
from core.domain.job_results import NoNewBatch, SourceEnded
from core.domain.jobs import Job
from workers.runtime.job_run import Run
from workers.sources.port import AnswerBroken, Known, Source
from workers.steps import epoch_change
from workers.steps.batch_attempts import Tries, require_disk
from workers.steps.read_quarantine import ReadQuarantine
from workers.steps.spool_recovery import Spool
from workers.steps.store_batch import StoreBatch

MAX_TRIES = 3
"""Tries that a batch has where the settings say nothing (`MAX_ATTEMPTS`)."""


@dataclass(frozen=True, slots=True)
class Ingest:
    """What the step needs: the source, the spool folder, and whether it may restart the source.

    `remote` is the spool that workers of several hosts share, where they do not share the folder.
    `is_cancel_announced` says whether a cancel of the job was announced. A compressed file has at
    most `most_bytes` once decompressed. `named` and `is_foreign` are about names of files in the
    spool: see `Spool`.
    """

    source: Source
    spool: Path
    dataset: Dataset
    restarts: bool
    submit: Callable[[int], None]
    is_cancel_announced: Callable[[Job], bool]
    max_tries: int = MAX_TRIES
    retain_epochs: int = 1
    most_bytes: int = MOST_BYTES
    remote: RemoteSpool | None = None
    named: str = ""
    is_foreign: Callable[[str], bool] = lambda _name: False

    def __call__(self, run: Run) -> None:
        """Take in the next batch, or the one that an earlier run left unread.

        A job with the argument `quarantine` reads quarantined rows of that batch again instead.

        Raises:
            SourceUnavailable, SourceRefused: see `workers.sources.port`.
            BatchUnreadable: the bytes are no batch; they are kept.
            BatchClosed: the batch could not be stored and was closed; its bytes are kept.
        """
        if batch_id := run.job.args.get("quarantine"):
            ReadQuarantine(self.dataset, self.submit, self.is_cancel_announced)(run, batch_id)
            return
        self.spool.mkdir(parents=True, exist_ok=True)
        folder = self.remote or LocalSpool(self.spool)
        spool = Spool(folder, self.source.asks_once, self.named, self.is_foreign)
        spool.enter_leftovers(run)
        tries = Tries(spool.folder, self.max_tries)
        batch = tries.first_in_line(run, self._ordered_end(run))
        if batch is None:
            try:
                batch = self._receive(run, spool)
            except SourceExhausted:
                self._end_of_data(run)
                return
            except NothingNew as error:
                self._nothing_new(run, str(error))
                return
        store = StoreBatch(
            spool.folder,
            self.dataset,
            tries,
            self.retain_epochs,
            self.submit,
            self.is_cancel_announced,
            self.most_bytes,
        )
        try:
            store(run, batch)
        finally:
            spool.folder.release(batch.spool)

    def _ordered_end(self, run: Run) -> int:
        """The epoch that this job was asked to end, if it has not ended yet; else 0.

        A batch of that epoch that still waits does not hold up the restart.
        """
        ordered = run.job.args.get("restart_epoch")
        with run.store.read() as work:
            epoch = work.batches.epoch()
        return epoch.number if epoch is not None and epoch.number == ordered else 0

    def _receive(self, run: Run, spool: Spool) -> Batch:
        """Ask the source, restarting it first where that is due.

        Raises:
            SourceExhausted: there is no next batch, and a restart is not ours to decide.
            NothingNew: there is no next batch now.
        """
        with run.store.read() as work:
            epoch = work.batches.epoch()
        restart = self._ordered_end(run) > 0
        ended = epoch is not None and epoch.state is EpochState.EXHAUSTED
        number = epoch.number + ended if epoch else 1
        if restart or (ended and self.restarts and self.source.can_restart):
            return self._restart(run, spool, epoch.number if epoch else 0)
        try:
            return self._fetch(run, spool, number)
        except SourceExhausted:
            if epoch is None:
                raise
            self._set_exhausted(run, epoch.number)
            if not self.restarts:
                raise
            return self._restart(run, spool, epoch.number)

    def _restart(self, run: Run, spool: Spool, epoch: int) -> Batch:
        """Start the source over; its first batch will open the next epoch."""
        epoch_change.restart(run, self.source, epoch, self.retain_epochs)
        return self._fetch(run, spool, epoch + 1)

    def _set_exhausted(self, run: Run, epoch: int) -> None:
        """Note that the source has said that there are no more batches."""
        with run.store.begin() as work:
            run.fence(work)
            work.batches.end_epoch(epoch)
            work.commit()

    def _fetch(self, run: Run, spool: Spool, epoch: int) -> Batch:
        require_disk(self.spool, "nothing was asked for")
        run.progress(0.02, "asking the source", always=True)

        def arrived(size: int, announced: int) -> None:
            run.check()
            share = size / announced if announced else 0.5
            # A database that is away for a moment must not cost the answer.
            with suppress(StoreUnavailable):
                run.progress(0.02 + 0.28 * min(share, 1.0), f"receiving ({size / 1e6:,.1f} MB)")

        run.still_held()  # the source's cursor moves with the request
        with spool.announced(epoch) as part:
            try:
                received = self.source.fetch(part, known(run.store), arrived)
                return spool.take(run, epoch, received)
            except AnswerBroken as broken:
                spool.interrupted(run, part.name, str(broken))
                raise
            except JobCancelled:
                if self.source.asks_once and part.exists():
                    why = "The ingest was cancelled while it waited for this answer."
                    spool.interrupted(run, part.name, f"{why} {DELIVERY_UNKNOWN}")
                raise
            except FileNotFoundError as error:
                raise LeaseLost("Another run has entered this answer in the ledger.") from error

    def _end_of_data(self, run: Run) -> None:
        note = "The source has served its last batch. Restart it to begin the next epoch."
        with run.store.begin() as work:
            work.jobs.log(run.job.id, note)
            run.complete(work, SourceEnded(note=note))

    def _nothing_new(self, run: Run, note: str) -> None:
        with run.store.begin() as work:
            work.jobs.log(run.job.id, note)
            run.complete(work, NoNewBatch(note=note))


def known(store: Store) -> Known:
    """What the ledger knows, for a source that decides which batch is next."""

    def of_origins(origins: Sequence[str]) -> Mapping[str, Sequence[Batch]]:
        with store.read() as work:
            return work.batches.of_origins(origins)

    def watermark(beginning: str) -> str:
        with store.read() as work:
            return work.batches.watermark(beginning)

    return Known(of_origins, watermark)
