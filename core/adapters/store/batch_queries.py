"""What the batch ledger has: epochs, entries, quarantined rows and profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from core.adapters.store.in_force import in_force
from core.adapters.store.part import Part, equal, select, whole
from core.adapters.store.profiles import read_profile
from core.adapters.store.tables import (
    audit,
    batches,
    drift_reports,
    epochs,
    quarantine,
    trained_on,
)
from core.domain.batches import Batch, BatchState, Epoch, QuarantinedRow
from core.domain.errors import Missing
from core.domain.profiles import ColumnProfile
from core.rules.data.batch_ledger import ARRIVED
from core.rules.drift.recommendation import Recommendation

_SELECT = select(Batch, batches)
_STORED = batches.c.state == BatchState.STORED


def may_wait(
    in_force: Sequence[sa.ColumnElement[bool]], dismissed: str, learned: sa.ColumnElement[bool]
) -> tuple[sa.ColumnElement[bool], ...]:
    """The conditions of a batch that may wait for a person: see `BatchQueries.in_question`.

    `learned` tells which versions answer a batch by having been trained on it.
    """
    b = batches.c
    advised = drift_reports.c.advice["recommendation"].as_string()
    asks = sa.exists().where(
        drift_reports.c.batch_id == b.id,
        drift_reports.c.retrain
        | drift_reports.c.measure_reasons.is_not(None)
        | advised.in_([Recommendation.RETRAIN, Recommendation.BLOCK]),
    )
    place = sa.cast(b.epoch, sa.String(20)) + "/" + sa.cast(b.number, sa.String(20))
    answered = sa.exists().where(
        audit.c.dataset == b.dataset,
        audit.c.subject == sa.literal("batch:") + place,
        audit.c.action == dismissed,
        *in_force,
    )
    known = sa.exists().where(
        trained_on.c.dataset == b.dataset, trained_on.c.batch_id == b.id, learned
    )
    return b.rows_removed_at.is_(None), ~answered, b.held_at.is_not(None) | (asks & ~known)


class BatchQueries(Part):
    """The questions about batches; bound to one transaction."""

    def epoch(self) -> Epoch | None:
        """The newest epoch, or None before the first batch."""
        return self._one(Epoch, whole(epochs).order_by(epochs.c.number.desc()))

    def epochs(self) -> list[Epoch]:
        """Every epoch, newest first."""
        return self._all(Epoch, whole(epochs).order_by(epochs.c.number.desc()))

    def get(self, batch_id: int) -> Batch:
        """The batch of that id.

        Raises:
            Missing: there is none.
        """
        batch = self._one(Batch, _SELECT.where(batches.c.id == batch_id))
        if batch is None:
            raise Missing(f"There is no batch {batch_id}.")
        return batch

    def received(self, spool: str = "", *, after_epoch: int = 0) -> Batch | None:
        """The oldest answer that is not read yet, or the one in that spool file.

        With `after_epoch`, only of later epochs.
        """
        waits = (batches.c.state == BatchState.RECEIVED, batches.c.epoch > after_epoch)
        query = _SELECT.where(*([batches.c.spool == spool] if spool else waits))
        return self._one(Batch, query.order_by(batches.c.id))

    def of_origins(self, origins: Sequence[str]) -> Mapping[str, list[Batch]]:
        """The entries of each origin whose bytes arrived and were not lost, oldest first."""
        arrived = batches.c.state.not_in((BatchState.INTERRUPTED, BatchState.LOST))
        query = _SELECT.where(batches.c.origin.in_(origins), arrived).order_by(batches.c.id)
        entries: dict[str, list[Batch]] = {origin: [] for origin in origins}
        for batch in self._all(Batch, query):
            if batch.origin in entries:  # MariaDB compares without case and trailing blanks
                entries[batch.origin].append(batch)
        return entries

    def of_content(self, content_hash: str) -> Batch | None:
        """The first batch that was stored from bytes with this SHA-256; none for an unknown one."""
        if not content_hash:
            return None
        return next(iter(self.find(batches.c.content_hash == content_hash, limit=1)), None)

    def watermark(self, beginning: str) -> str:
        """The newest watermark of an origin that begins like this; empty without one."""
        query = sa.select(batches.c.watermark).where(
            batches.c.origin.startswith(beginning, autoescape=True),
            batches.c.state.not_in((BatchState.INTERRUPTED, BatchState.LOST)),
        )
        return self._value(query.order_by(batches.c.id.desc()).limit(1)) or ""

    def next_number(self, epoch: int) -> int:
        """The number of an epoch's next batch, where its document carries none; 0 is the first."""
        newest = self._value(
            sa.select(sa.func.max(batches.c.number)).where(batches.c.epoch == epoch)
        )
        return 0 if newest is None else int(newest) + 1

    def ledger(self, limit: int = 100, *, epoch: int | None = None) -> list[Batch]:
        """The newest entries first; all of them, or those of one epoch."""
        query = _SELECT.where(*equal((batches.c.epoch, epoch)))
        return self._all(Batch, query.order_by(batches.c.id.desc()).limit(limit))

    def find(
        self, *where: sa.ColumnElement[bool], newest_first: bool = False, limit: int | None = None
    ) -> list[Batch]:
        """The stored batches that fulfil the conditions, by their ids."""
        order = batches.c.id.desc() if newest_first else batches.c.id
        return self._all(Batch, _SELECT.where(_STORED, *where).order_by(order).limit(limit))

    def stored(self, epoch: int) -> list[Batch]:
        """The stored batches of an epoch, in the order of their numbers."""
        query = _SELECT.where(_STORED, batches.c.epoch == epoch).order_by(batches.c.number)
        return self._all(Batch, query)

    def stored_numbers(self, epoch: int) -> dict[int, int]:
        """The numbers of an epoch's stored batches by their ids, in the order of the numbers."""
        query = sa.select(batches.c.id, batches.c.number).where(_STORED, batches.c.epoch == epoch)
        rows = self._connection.execute(query.order_by(batches.c.number))
        return {row.id: row.number or 0 for row in rows}

    def numbered(self, epoch: int, number: int) -> list[Batch]:
        """Every entry of the ledger with that number in an epoch, the stored one first."""
        query = _SELECT.where(batches.c.epoch == epoch, batches.c.number == number)
        return self._all(Batch, query.order_by(batches.c.stored_key.is_(None), batches.c.id))

    def newest_stored(self, limit: int) -> list[Batch]:
        """The batches that were stored last, of any epoch, newest first."""
        return self.find(newest_first=True, limit=limit)

    def in_question(self, before: int, live: int | None, dismissed: str, limit: int) -> list[Batch]:
        """The batches stored before the one of that id which may wait for a person, newest first.

        They are held, or a comparison asked for training or looked broken; their rows are there,
        nobody has recorded the action `dismissed`, and no version up to the `live` one was trained
        on them.
        """
        learned = trained_on.c.version <= (live or 0)
        rules = may_wait(in_force(self._connection), dismissed, learned)
        return self.find(batches.c.id < before, *rules, newest_first=True, limit=limit)

    def last_stored(self) -> Batch | None:
        """The batch that was stored last."""
        return next(iter(self.newest_stored(1)), None)

    def in_state(self, state: BatchState, epoch: int | None = None) -> list[Batch]:
        """The entries in a state, oldest first; all of them, or those of one epoch."""
        query = _SELECT.where(*equal((batches.c.state, state), (batches.c.epoch, epoch)))
        return self._all(Batch, query.order_by(batches.c.id))

    def arrived(self, epoch: int) -> list[int]:
        """The numbers of an epoch's batches that came, stored or not."""
        query = sa.select(batches.c.number).where(
            batches.c.epoch == epoch,
            batches.c.number.is_not(None),
            batches.c.state.in_(ARRIVED),
        )
        return self._values(query)

    def quarantined(self, batch_id: int, limit: int = 100) -> list[QuarantinedRow]:
        """The first rows of a batch that could not be stored."""
        query = select(QuarantinedRow, quarantine).where(quarantine.c.batch_id == batch_id)
        return self._all(QuarantinedRow, query.order_by(quarantine.c.id).limit(limit))

    def profile(self, owner: str, owner_id: int) -> tuple[ColumnProfile, ...]:
        """A kept profile; empty if there is none."""
        return read_profile(self._connection, owner, owner_id)
