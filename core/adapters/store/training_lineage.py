"""Training lineage: the batches of each version, and rows that no version was trained on."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from core.adapters.store.part import Part
from core.adapters.store.tables import batches, trained_on
from core.domain.batches import BatchState
from core.rules.data.epoch_ending import EpochRows


class Lineage(Part):
    """Versions and the batches that they were trained on; bound to one transaction."""

    def trained(self, version: int, batch_ids: Iterable[int]) -> None:
        """Record the batches that a version was trained on, replacing earlier ones."""
        self._delete(trained_on, trained_on.c.version == version)
        rows = ({"version": version, "batch_id": i} for i in sorted(set(batch_ids)))
        self._insert_all(trained_on, rows)

    def versions_of(self, batch_id: int) -> list[int]:
        """The versions that were trained on a batch, ascending."""
        query = sa.select(trained_on.c.version).where(trained_on.c.batch_id == batch_id)
        return self._values(query.order_by(trained_on.c.version))

    def rows(self, epoch: int | None = None) -> list[EpochRows]:
        """The rows table's content by epoch, of all or of one; newest first."""
        same = batches.alias("same")
        learned = sa.select(same.c.content_hash).join(
            trained_on, trained_on.c.batch_id == same.c.id
        )
        known = batches.c.content_hash.in_(learned)
        query = (
            sa.select(
                batches.c.epoch,
                sa.func.count(),
                sa.func.sum(batches.c.stored),
                sa.func.sum(sa.case((known, 0), else_=batches.c.stored)),
            )
            .where(
                batches.c.state == BatchState.STORED,
                batches.c.rows_removed_at.is_(None),
                batches.c.stored > 0,
            )
            .group_by(batches.c.epoch)
            .order_by(batches.c.epoch.desc())
        )
        if epoch is not None:
            query = query.where(batches.c.epoch == epoch)
        return [EpochRows(*map(int, row)) for row in self._connection.execute(query)]
