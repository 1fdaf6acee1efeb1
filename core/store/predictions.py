"""The prediction log, read side: serving writes it, through `serving.record`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.tables import predictions


@dataclass(frozen=True, slots=True)
class LoggedPrediction:
    """One answer that serving gave: to which inputs, when, and by which version."""

    id: str
    at: datetime
    model_version: int
    inputs: dict[str, Any]
    prediction: float


class Predictions:
    """The answers that serving gave, as seen from inside one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def latest(self, limit: int = 50) -> list[LoggedPrediction]:
        """The newest answers first."""
        query = sa.select(predictions).order_by(predictions.c.at.desc()).limit(limit)
        return [LoggedPrediction(**row._mapping) for row in self._connection.execute(query)]

    def get(self, prediction_id: str) -> LoggedPrediction | None:
        """The answer of that id, if it was recorded."""
        query = sa.select(predictions).where(predictions.c.id == prediction_id)
        row = self._connection.execute(query).one_or_none()
        return LoggedPrediction(**row._mapping) if row else None
