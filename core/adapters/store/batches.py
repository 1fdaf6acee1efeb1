"""The batch ledger, by epoch: what arrives, what is stored, and what is odd about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from core.adapters.store.batch_queries import BatchQueries
from core.adapters.store.profiles import write_profile
from core.adapters.store.tables import batches, epochs, quarantine
from core.domain.batches import (
    DELIVERY_UNKNOWN,
    Batch,
    BatchState,
    Epoch,
    EpochState,
    QuarantinedRow,
)
from core.domain.errors import IllegalTransition
from core.domain.profiles import ColumnProfile
from core.domain.sources import Format
from core.rules.data.batch_ledger import ARRIVED, settle

_STORED = batches.c.state == BatchState.STORED
_QUARANTINE_CHUNK = 5_000
_NEVER_KNOWN = "The source was restarted before a next batch could show it."


class Batches(BatchQueries):
    """Epochs, the ledger, quarantined rows and profiles; bound to one transaction."""

    # Epochs

    def open_epoch(self) -> Epoch:
        """Close the newest epoch, if there is one, and open the next."""
        last = self.epoch()
        if last:
            self.set_epoch(last.number, EpochState.CLOSED)
        number = last.number + 1 if last else 1
        self._insert(epochs, number=number, state=EpochState.OPEN, started_at=self._now)
        return Epoch(number, EpochState.OPEN, self._now)

    def set_epoch(self, number: int, state: EpochState) -> None:
        """Change the state of an epoch."""
        self._update(epochs, epochs.c.number == number, state=state)

    def end_epoch(self, number: int) -> None:
        """Record that the source has no more batches in this epoch."""
        last = sa.select(sa.func.max(batches.c.number)).where(_STORED, batches.c.epoch == number)
        values = {"state": EpochState.EXHAUSTED, "last_number": last.scalar_subquery()}
        self._update(epochs, epochs.c.number == number, **values)

    # The ledger

    def receive(
        self,
        epoch: int,
        content_hash: str,
        spool: str,
        size: int,
        *,
        origin: str = "",
        written_as: Format = Format.JSON,
        watermark: str = "",
    ) -> Batch:
        """Record that an answer's bytes are on disk, before they are read."""
        batch_id = self._insert(
            batches,
            epoch=epoch,
            state=BatchState.RECEIVED,
            content_hash=content_hash,
            spool=spool,
            bytes=size,
            received_at=self._now,
            note="",
            origin=origin,
            format=written_as,
            watermark=watermark,
        )
        return self.get(batch_id)

    def begin_try(self, batch_id: int) -> None:
        """Count an attempt to store a batch; commit it before the bytes are read.

        Raises:
            IllegalTransition: the batch no longer waits.
        """
        self._change(batch_id, BatchState.RECEIVED, tries=batches.c.tries + 1)

    def excuse(self, batch_id: int) -> None:
        """Record that an attempt ended for a reason that has nothing to do with the batch."""
        where = (batches.c.id == batch_id, batches.c.excused < batches.c.tries)
        self._update(batches, *where, excused=batches.c.excused + 1)

    def note_number(self, batch_id: int, number: int) -> None:
        """Record which number the API gave a batch that is about to be stored.

        Raises:
            IllegalTransition: the batch no longer waits.
        """
        self._change(batch_id, BatchState.RECEIVED, number=number)

    def close(
        self,
        batch: Batch,
        state: BatchState,
        *,
        note: str,
        number: int | None = None,
        expected: BatchState = BatchState.RECEIVED,
    ) -> None:
        """Record that an answer added no rows, and why; a number that is known already stays.

        Raises:
            IllegalTransition: it is not in the state that was expected (any more).
        """
        number = batch.number if number is None else number
        self._change(batch.id, expected, state=state, number=number, note=note)

    def wait_again(self, batch: Batch) -> None:
        """Let a batch wait to be stored again, with all its attempts.

        Raises:
            IllegalTransition: it is not in the state that it was in (any more).
        """
        values = {"state": BatchState.RECEIVED, "tries": 0, "excused": 0, "note": ""}
        self._change(batch.id, batch.state, **values)

    def leave_earlier(self, epoch: int) -> None:
        """Close the batches of earlier epochs that still wait, when this one begins.

        Whether an interrupted one was lost is never known then.
        """
        self._update(
            batches,
            batches.c.state == BatchState.INTERRUPTED,
            batches.c.epoch < epoch,
            note=sa.func.replace(batches.c.note, DELIVERY_UNKNOWN, _NEVER_KNOWN),
        )
        self._update(
            batches,
            batches.c.state == BatchState.RECEIVED,
            batches.c.epoch < epoch,
            state=BatchState.SKIPPED,
            note="The source was restarted before this batch was stored.",
        )

    def settle(self, batch: Batch, number: int, gap: int) -> None:
        """Decide about the interrupted answers before a batch that is stored now."""
        waiting = [b for b in self.in_state(BatchState.INTERRUPTED, batch.epoch) if b.id < batch.id]
        for entry, state in settle(waiting, gap - self._without_number(waiting, batch)):
            reason = (
                f"Lost: batch {number} came next, after a gap. The lost batch comes back only "
                "after the source is restarted."
                if state is BatchState.LOST
                else f"Settled: batch {number} came next, without a gap; nothing was lost."
            )
            known = entry.note.replace(DELIVERY_UNKNOWN, "").strip()
            note = f"{reason} {known}".strip()
            self._change(entry.id, BatchState.INTERRUPTED, state=state, note=note)

    def _without_number(self, waiting: list[Batch], batch: Batch) -> int:
        """How many answers since the first interrupted one arrived without a batch number."""
        if not waiting:
            return 0
        query = sa.select(sa.func.count()).where(
            batches.c.epoch == batch.epoch,
            batches.c.number.is_(None),
            batches.c.state.in_([BatchState.UNREADABLE, *ARRIVED]),
            batches.c.id.between(waiting[0].id, batch.id),
        )
        return int(self._value(query))

    def store(
        self,
        batch: Batch,
        *,
        epoch: int,
        number: int,
        stored: int,
        quarantined: Sequence[QuarantinedRow],
        gap: int,
        note: str,
    ) -> None:
        """Record that a batch's rows are stored, its counts, and its quarantined rows.

        Raises:
            IllegalTransition: the batch no longer waits: a person skipped it meanwhile.
        """
        self._change(
            batch.id,
            BatchState.RECEIVED,
            epoch=epoch,
            state=BatchState.STORED,
            number=number,
            rows=stored + len(quarantined),
            stored=stored,
            quarantined=len(quarantined),
            gap=gap,
            note=note,
            stored_at=self._now,
            stored_key=f"{epoch}:{number}",
        )
        for start in range(0, len(quarantined), _QUARANTINE_CHUNK):
            self._insert_all(
                quarantine,
                (
                    asdict(q) | {"batch_id": batch.id, "reason": q.reason[:500]}
                    for q in quarantined[start : start + _QUARANTINE_CHUNK]
                ),
            )

    def _change(self, batch_id: int, expected: BatchState, **values: Any) -> None:
        """Change an entry that is in the expected state: compare and set."""
        where = (batches.c.id == batch_id, batches.c.state == expected)
        if not self._update(batches, *where, **values):
            state = self.get(batch_id).state
            raise IllegalTransition(
                f"Entry {batch_id} of the ledger {state.in_words} now; nothing was changed."
            )

    # Profiles

    def add_profile(self, owner: str, owner_id: int, profiles: Iterable[ColumnProfile]) -> None:
        """Keep a profile; see `core.adapters.store.profiles`."""
        write_profile(self._connection, owner, owner_id, profiles)
