"""Ingest: one batch from the data API into the tables, or nothing at all.

The order is what makes it safe to kill at any point: a marker on disk, then the request, then
the bytes, then the ledger, then - in one transaction - rows, profile, counts and the job's end.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

from core.dataset import Dataset
from core.errors import BatchUnreadable, SourceExhausted
from core.profile import Profiler
from core.records import Batch, BatchState, EpochState, JobKind, QuarantinedRow
from core.store import Work
from workers import parse
from workers.run import Run
from workers.source import AnswerLost, DataApi

_DONE = (BatchState.STORED, BatchState.REPEATED)
"""States after which the bytes are not needed any more; others keep their spool file."""

_PART = ".part"
_WHOLE = ".json"


@dataclass(frozen=True, slots=True)
class Ingest:
    """What the step needs: the source, the spool folder, and whether it may restart the source."""

    source: DataApi
    spool: Path
    dataset: Dataset
    restarts: bool
    submit: Callable[[int], None]

    def __call__(self, run: Run) -> None:
        """Take in the next batch, or the one that an earlier run left unread.

        Raises:
            SourceUnavailable, SourceRefused: see `workers.source`.
            BatchUnreadable: the bytes are no batch; they are kept.
        """
        self.spool.mkdir(parents=True, exist_ok=True)
        self._note_lost_answers(run)
        self._adopt(run)
        with run.store.read() as work:
            batch = work.batches.received()
        if batch is None:
            try:
                batch = self._receive(run)
            except SourceExhausted:
                self._end_of_data(run)
                return
        self._store(run, batch)

    # From the source to the ledger

    def _receive(self, run: Run) -> Batch:
        """Ask the source, restarting it first where that is due.

        Raises:
            SourceExhausted: there is no next batch, and a restart is not ours to decide.
        """
        with run.store.read() as work:
            epoch = work.batches.epoch()
        ordered = run.job.args.get("restart_epoch")
        restart = ordered is not None and epoch is not None and epoch.number == ordered
        ended = epoch is not None and epoch.state is EpochState.EXHAUSTED
        number = epoch.number + ended if epoch else 1
        if restart or (ended and self.restarts):
            return self._restart(run, epoch.number if epoch else 0)
        try:
            return self._fetch(run, number)
        except SourceExhausted:
            if epoch is None:
                raise
            self._set_exhausted(run, epoch.number)
            if not self.restarts:
                raise
            return self._restart(run, epoch.number)

    def _restart(self, run: Run, epoch: int) -> Batch:
        """Start the source over; its first batch will open the next epoch."""
        self._set_exhausted(run, epoch)
        run.say(f"Epoch {epoch} has ended; restarting the source.")
        self.source.restart()
        return self._fetch(run, epoch + 1)

    def _set_exhausted(self, run: Run, epoch: int) -> None:
        with run.store.begin() as work:
            run.fence(work)
            work.batches.set_epoch(epoch, EpochState.EXHAUSTED)
            work.commit()

    def _fetch(self, run: Run, epoch: int) -> Batch:
        run.progress(0.02, "asking the data API", always=True)
        part = self.spool / f"e{epoch}-{uuid.uuid4().hex}{_PART}"

        def arrived(size: int, announced: int) -> None:
            share = size / announced if announced else 0.5
            run.progress(0.02 + 0.28 * min(share, 1.0), f"receiving ({size / 1e6:,.1f} MB)")

        try:
            received = self.source.fetch(part, arrived)
        except AnswerLost as lost:
            self._close_lost(run, part, str(lost))
            raise
        whole = part.rename(part.with_suffix(_WHOLE))
        return self._note(run, epoch, whole, received.size, received.content_hash)

    def _note(self, run: Run, epoch: int, whole: Path, size: int, content_hash: str) -> Batch:
        with run.store.begin() as work:
            run.fence(work)
            batch = work.batches.receive(epoch, content_hash, whole.name, size)
            work.commit()
        run.say(f"Received {size:,} bytes as {whole.name}.")
        return batch

    # What an earlier run left behind

    def _adopt(self, run: Run) -> None:
        """Enter whole answers that are on disk and not yet in the ledger."""
        for whole in sorted(self.spool.glob(f"*{_WHOLE}"), key=lambda p: p.stat().st_mtime):
            with run.store.read() as work:
                known = work.batches.received(whole.name)
            if known and known.state in _DONE:
                whole.unlink()
            if known is None:
                with whole.open("rb") as file:
                    content_hash = file_digest(file, "sha256").hexdigest()
                run.say(f"Found {whole.name}, which an earlier run received.")
                self._note(run, _epoch_of(whole), whole, whole.stat().st_size, content_hash)

    def _note_lost_answers(self, run: Run) -> None:
        for part in self.spool.glob(f"*{_PART}"):
            self._close_lost(
                run,
                part,
                f"The worker died while it received this answer ({part.stat().st_size:,} bytes "
                "came). If the batches below show a gap, the lost one comes back only after the "
                "source is restarted.",
            )

    def _close_lost(self, run: Run, part: Path, note: str) -> None:
        with run.store.begin() as work:
            run.fence(work)
            batch = work.batches.receive(_epoch_of(part), "", part.name, part.stat().st_size)
            work.batches.close(batch.id, BatchState.UNREADABLE, number=None, note=note)
            work.commit()
        part.rename(part.with_suffix(".lost"))
        run.say(note, "warning")

    # From the ledger to the tables

    def _store(self, run: Run, batch: Batch) -> None:
        path = self.spool / batch.spool
        try:
            number = parse.batch_number(path)
            run.about(epoch=batch.epoch, batch=number)
            if self._is_known(run, batch, number):
                return
            self._load(run, batch, path, number)
            path.unlink()
        except (BatchUnreadable, FileNotFoundError) as error:
            note = (
                f"The spool file {batch.spool} is gone."
                if isinstance(error, FileNotFoundError)
                else str(error)
            )
            with run.store.begin() as work:
                run.fence(work)
                work.batches.close(batch.id, BatchState.UNREADABLE, number=None, note=note)
                work.commit()
            raise BatchUnreadable(note) from error

    def _is_known(self, run: Run, batch: Batch, number: int) -> bool:
        """Close a batch whose number this epoch has already, whatever its content."""
        with run.store.begin() as work:
            same = [b for b in work.batches.stored(batch.epoch) if b.number == number]
            if not same:
                return False
            if same[0].content_hash == batch.content_hash:
                state = BatchState.REPEATED
                note = f"Batch {number} came again with the same content; nothing was added."
            else:
                state = BatchState.CONFLICT
                note = (
                    f"Batch {number} came again with other content; what was stored first stays, "
                    f"and the new bytes are in the spool as {batch.spool}."
                )
            work.batches.close(batch.id, state, number=number, note=note)
            work.jobs.log(run.job.id, note, "warning")
            run.complete(work, {"batch": number, "state": state.value, "note": note})
        return True

    def _load(self, run: Run, batch: Batch, path: Path, number: int) -> None:
        profiler = Profiler(self.dataset)

        def at(share: float) -> None:
            run.progress(0.3 + 0.4 * share, f"reading batch {number}")

        staging = path.with_suffix(f".{run.job.attempt}.arrow")
        try:
            parsed = parse.chunks(path, self.dataset, profiler, at)
            stored, quarantined = parse.stage(staging, parsed, self.dataset)
            run.progress(0.75, f"storing {stored:,} rows", always=True)
            with run.store.begin() as work:
                run.fence(work)
                result = self._write(
                    work,
                    batch,
                    number,
                    staging,
                    stored=stored,
                    quarantined=quarantined,
                    profiler=profiler,
                )
                drift, _ = work.jobs.request(
                    JobKind.DRIFT,
                    {"batch_id": batch.id, "then_train": bool(run.job.args.get("then_train"))},
                    run.job.actor,
                    key=f"drift:{batch.id}",
                )
                work.jobs.log(run.job.id, result["note"])
                run.complete(work, result | {"drift_job": drift.id})
        finally:
            staging.unlink(missing_ok=True)
        self.submit(drift.id)

    def _write(
        self,
        work: Work,
        batch: Batch,
        number: int,
        staging: Path,
        *,
        stored: int,
        quarantined: list[QuarantinedRow],
        profiler: Profiler,
    ) -> dict[str, Any]:
        """Everything that storing a batch changes; the caller commits it as one."""
        epoch = work.batches.epoch()
        if epoch is None or batch.epoch > epoch.number:
            epoch = work.batches.open_epoch()
            work.rows.clear()
        gap = _gap([b.number for b in work.batches.stored(epoch.number)], number)
        note = f"Batch {number} of epoch {epoch.number}: {stored:,} rows stored"
        note += f", {len(quarantined):,} quarantined." if quarantined else "."
        if gap:
            note += f" {gap} batch{'es' if gap > 1 else ''} before it never arrived."
        work.batches.store(
            batch,
            epoch=epoch.number,
            number=number,
            stored=stored,
            quarantined=quarantined,
            gap=gap,
            note=note,
        )
        work.batches.add_profile("batch", batch.id, profiler.finish())
        work.rows.load(epoch.number, batch.id, parse.staged(staging))
        return {
            "batch": number,
            "batch_id": batch.id,
            "epoch": epoch.number,
            "state": BatchState.STORED.value,
            "rows": stored + len(quarantined),
            "stored": stored,
            "quarantined": len(quarantined),
            "gap": gap,
            "note": note,
        }

    def _end_of_data(self, run: Run) -> None:
        note = "The source has served its last batch. Restart it to begin the next epoch."
        with run.store.begin() as work:
            work.jobs.log(run.job.id, note)
            run.complete(work, {"state": EpochState.EXHAUSTED.value, "note": note})


def _gap(numbers: list[int | None], number: int) -> int:
    """How many numbers were skipped between the highest one before and this one."""
    before = max((n for n in numbers if n is not None), default=-1)
    return max(number - before - 1, 0)


def _epoch_of(spooled: Path) -> int:
    """The epoch that a spool file's name carries."""
    return int(spooled.name.split("-", 1)[0].removeprefix("e"))
