"""Which batches may be compared with, scored against and trained on, and which are held."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from core.adapters.store.batches import Batches
from core.adapters.store.part import Part
from core.adapters.store.tables import batches
from core.domain.batches import Batch, BatchState

_STORED = batches.c.state == BatchState.STORED
_FREE = batches.c.held_at.is_(None)
_HAS_ROWS = batches.c.stored > 0


class HeldBatches(Part):
    """The holds; bound to one transaction."""

    def __init__(self, connection: sa.Connection, ledger: Batches, now: datetime) -> None:
        super().__init__(connection, now)
        self._batches = ledger

    def hold(self, batch_id: int, actor: str, reason: str, *, unless_released: bool) -> bool:
        """Hold a stored batch; False if it is held already, or has no rows.

        With `unless_released`, also False if a person has released it.
        """
        where = [batches.c.id == batch_id, _STORED, _FREE, _HAS_ROWS]
        if unless_released:
            where.append(batches.c.released_at.is_(None))
        values = {"held_by": actor[:200], "hold_reason": reason, "released_at": None}
        return self._update(batches, *where, held_at=self._now, **values)

    def release(self, batch_id: int) -> bool:
        """Release a held batch; False if it is not held."""
        values = {"held_at": None, "held_by": None, "hold_reason": None}
        where = (batches.c.id == batch_id, ~_FREE)
        return self._update(batches, *where, released_at=self._now, **values)

    def held(self, epoch: int) -> list[Batch]:
        """The held batches of an epoch, in the order in which they came."""
        return self._batches.find(batches.c.epoch == epoch, ~_FREE)

    def usable(self, epoch: int) -> list[Batch]:
        """The batches of an epoch whose rows are there and may be used, by their numbers."""
        rules = (batches.c.epoch == epoch, _FREE, batches.c.rows_removed_at.is_(None))
        return sorted(self._batches.find(*rules), key=lambda b: b.number or 0)

    def newest(self) -> Batch | None:
        """The batch that was stored last and is not held."""
        return next(iter(self._batches.find(_FREE, newest_first=True, limit=1)), None)

    def reference(self, before: int) -> Batch | None:
        """The batch that the one of that id is compared with: the last one with rows, not held."""
        rules = (_FREE, _HAS_ROWS, batches.c.id < before)
        return next(iter(self._batches.find(*rules, newest_first=True, limit=1)), None)

    def lock_reference(self, before: int) -> Batch | None:
        """As `reference`, and no other transaction can hold it until this one ends.

        Whoever holds it afterwards finds the report that was made with it.
        """
        while nearest := self.reference(before):
            row = sa.select(batches.c.id).where(batches.c.id == nearest.id, _FREE).with_for_update()
            if self._connection.execute(row).one_or_none():
                return nearest
        return None

    def passed_over(self, after: int, before: int, limit: int = 3) -> list[Batch]:
        """The stored batches between two ids, latest first: those that are no reference."""
        rules = (batches.c.id > after, batches.c.id < before)
        return self._batches.find(*rules, newest_first=True, limit=limit)
