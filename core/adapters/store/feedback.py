"""Feedback, that is reported actual values: read here, written by serving."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from core.adapters.store.part import Part
from core.adapters.store.tables import feedback, predictions
from core.rules.model.feedback_error import Outcome

COUNTED = 2_000
"""The most predictions that the error over time is computed from, by their newest reports."""

LOOKED_THROUGH = 3 * COUNTED
"""The most reports that are read for them: some correct an earlier one or match no prediction."""


_ANSWER = sa.type_coerce(predictions.c.answer, sa.Text())
"""As text, so that an invalid record does not stop later ones."""


class Feedback(Part):
    """The reports; bound to one transaction."""

    def told(self) -> list[Outcome]:
        """The predictions with the newest reports, newest report first.

        The newest report about a prediction counts. Reports without a recorded prediction are
        ignored, and so are labels for predictions without a label.
        """
        report, answer = feedback.c, predictions.c
        newest = (
            sa.select(report.id, report.prediction_id, report.actual, report.label, report.at)
            .order_by(report.at.desc(), report.id.desc())
            .limit(LOOKED_THROUGH)
            .subquery()
        )
        query = (
            sa.select(
                answer.id,
                answer.at,
                answer.model_version,
                answer.prediction,
                newest.c.actual,
                newest.c.label,
                sa.case((newest.c.label.is_not(None), _ANSWER)).label("answer"),
            )
            .select_from(newest.join(predictions, answer.id == newest.c.prediction_id))
            .order_by(newest.c.at.desc(), newest.c.id.desc())
        )
        outcomes: dict[str, Outcome] = {}
        for row in self._connection.execute(query):
            if row.id not in outcomes and (outcome := _outcome(row)):
                outcomes[row.id] = outcome
            if len(outcomes) == COUNTED:
                break
        return list(outcomes.values())

    def of(self, prediction_id: str) -> float | str | None:
        """The actual value or label that was reported last for a prediction, if any was."""
        report = feedback.c
        query = sa.select(report.actual, report.label).where(report.prediction_id == prediction_id)
        row = self._connection.execute(
            query.order_by(report.at.desc(), report.id.desc()).limit(1)
        ).first()
        return None if row is None else row.actual if row.label is None else row.label


def _outcome(row: Any) -> Outcome | None:
    if row.label is None:
        return Outcome(row.at, row.model_version, row.prediction, row.actual)
    try:
        answered = json.loads(row.answer or "null")
    except ValueError:
        return None
    label = answered.get("label") if isinstance(answered, dict) else None
    if not isinstance(label, str):
        return None
    return Outcome(row.at, row.model_version, label, row.label)
