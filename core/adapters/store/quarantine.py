"""The way of quarantined rows back into a stored batch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import sqlalchemy as sa

from core.adapters.store.part import Part
from core.adapters.store.profiles import write_profile
from core.adapters.store.tables import batches, column_profiles, quarantine
from core.domain.batches import Batch, BatchState
from core.domain.errors import IllegalTransition
from core.domain.profiles import ColumnProfile

_AT_ONCE = 500


class Quarantine(Part):
    """What reading quarantined rows again changes; bound to one transaction."""

    def store_again(
        self,
        batch: Batch,
        added: Collection[int],
        reasons: Mapping[int, str],
        profiles: Iterable[ColumnProfile],
    ) -> None:
        """Record that rows of a batch left the quarantine; the caller has stored them.

        `added` are their row numbers, `reasons` the new reasons of rows that stay, by row number,
        and `profiles` describe all rows that the batch has now.

        Raises:
            IllegalTransition: the batch changed since it was read.
        """
        unchanged = (
            batches.c.id == batch.id,
            batches.c.state == BatchState.STORED,
            batches.c.stored == batch.stored,
            batches.c.quarantined == batch.quarantined,
            batches.c.rows_removed_at.is_(None),
        )
        if not self._update(
            batches,
            *unchanged,
            stored=batch.stored + len(added),
            quarantined=batch.quarantined - len(added),
            read_again=batch.read_again + len(added),
        ):
            raise IllegalTransition(
                f"Batch {batch.number} changed while its quarantine was read; nothing was stored."
            )
        numbers = sorted(added)
        of_batch = quarantine.c.batch_id == batch.id
        for start in range(0, len(numbers), _AT_ONCE):
            some = quarantine.c.row_number.in_(numbers[start : start + _AT_ONCE])
            self._connection.execute(sa.delete(quarantine).where(of_batch, some))
        for number, reason in reasons.items():
            row = (of_batch, quarantine.c.row_number == number)
            self._update(quarantine, *row, reason=reason[:500])
        if added:
            mine = (column_profiles.c.owner == "batch", column_profiles.c.owner_id == batch.id)
            self._connection.execute(sa.delete(column_profiles).where(*mine))
            write_profile(self._connection, "batch", batch.id, profiles)
