"""How versions do on single batches' held-out rows: one row a batch and version."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from core.advice import BatchScore
from core.tables import batch_scores


class Scores:
    """The scores by batch, as seen from inside one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def put(self, score: BatchScore) -> None:
        """Keep a score, in the place of an earlier one of the same two."""
        table = batch_scores.c
        self._connection.execute(
            sa.delete(batch_scores).where(
                table.batch_id == score.batch_id, table.version == score.version
            )
        )
        self._connection.execute(
            sa.insert(batch_scores).values(
                batch_id=score.batch_id,
                version=score.version,
                rows=score.rows,
                metrics=score.metrics,
                spread=score.spread,
                note=score.note[:500],
                scored_at=self._now,
            )
        )

    def of(self, version: int, batch_ids: Sequence[int]) -> list[BatchScore]:
        """The scores of one version on these batches, in the batches' order."""
        table = batch_scores.c
        query = (
            sa.select(batch_scores)
            .where(table.version == version, table.batch_id.in_(batch_ids))
            .order_by(table.batch_id)
        )
        return [
            BatchScore(r.batch_id, r.version, r.rows, r.metrics, r.spread, r.note)
            for r in self._connection.execute(query)
        ]
