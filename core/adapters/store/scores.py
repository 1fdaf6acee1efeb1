"""Metrics of versions on the held-out rows of single batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from core.adapters.store.part import Part, select
from core.adapters.store.tables import batch_scores
from core.rules.drift.recommendation import BatchScore


class Scores(Part):
    """The scores by batch; bound to one transaction."""

    def put(self, score: BatchScore) -> None:
        """Store a score, replacing an earlier one of the same two."""
        table = batch_scores.c
        same = (table.batch_id == score.batch_id, table.version == score.version)
        self._delete(batch_scores, *same)
        values = asdict(score) | {"note": score.note[:500], "scored_at": self._now}
        self._insert(batch_scores, **values)

    def of(self, version: int, batch_ids: Sequence[int]) -> list[BatchScore]:
        """The scores of one version on these batches, in the batches' order."""
        table = batch_scores.c
        query = select(BatchScore, batch_scores).where(
            table.version == version, table.batch_id.in_(batch_ids)
        )
        return self._all(BatchScore, query.order_by(table.batch_id))
