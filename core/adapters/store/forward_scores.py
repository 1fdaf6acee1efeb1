"""Forward scores of versions, one for each version and batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from core.adapters.store.part import Part, select
from core.adapters.store.tables import forward_scores
from core.domain.forward_scores import ForwardScore


class ForwardScores(Part):
    """The forward scores; bound to one transaction."""

    def put(self, score: ForwardScore) -> None:
        """Store a score, replacing one of the same version and batch."""
        t = forward_scores.c
        self._delete(forward_scores, t.version == score.version, t.batch_id == score.batch_id)
        values = asdict(score) | {"note": score.note[:500], "scored_at": self._now}
        self._insert(forward_scores, **values)

    def of(self, versions: Sequence[int], batch_ids: Sequence[int]) -> list[ForwardScore]:
        """The scores of these versions on these batches, by batch."""
        t = forward_scores.c
        query = select(ForwardScore, forward_scores).where(
            t.version.in_(versions), t.batch_id.in_(batch_ids)
        )
        return self._all(ForwardScore, query.order_by(t.batch_id))

    def latest(self, version: int, limit: int) -> list[ForwardScore]:
        """The scores of a version on the newest batches, oldest first."""
        t = forward_scores.c
        query = select(ForwardScore, forward_scores).where(t.version == version)
        newest = self._all(ForwardScore, query.order_by(t.batch_id.desc()).limit(limit))
        return newest[::-1]
