"""Feedback, that is reported actual values: read here, written by serving."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from math import sqrt
from typing import Any

import sqlalchemy as sa

from core.adapters.store.every_dataset import EveryDataset
from core.adapters.store.part import Part
from core.adapters.store.tables import feedback, predictions, promotions
from core.rules.model.feedback_error import Bucket, Outcome

COUNTED = 2_000
"""The most predictions that the error over time is computed from, by their newest reports."""

LOOKED_THROUGH = 3 * COUNTED
"""The most reports that are read for them: some correct an earlier one or match no prediction."""


_IDS = 500
"""How many predictions are asked about in one query."""

_ANSWER = sa.type_coerce(predictions.c.answer, sa.Text())
"""As text, so that an invalid record does not stop later ones."""


_LARGEST = 1e150
"""Larger figures are in no average of the database: their squares would overflow."""


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

    def of_each(self, ids: Sequence[str]) -> dict[str, float | str]:
        """The same for many predictions, by id; those without a report are left out."""
        report, newest = feedback.c, {}
        query = sa.select(report.prediction_id, report.actual, report.label)
        query = query.order_by(report.at, report.id)
        for start in range(0, len(ids), _IDS):
            part = query.where(report.prediction_id.in_(ids[start : start + _IDS]))
            for row in self._connection.execute(part):
                newest[row.prediction_id] = row.actual if row.label is None else row.label
        return newest


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


def live_feedback(connection: sa.Connection, names: Collection[str]) -> dict[str, Bucket]:
    """Each live version's error from feedback, over the predictions that `Feedback.told` counts.

    The database averages it, in two queries for all of these datasets. The buckets have no `mdape`.
    """
    p, f = promotions.c, feedback.c
    every = EveryDataset(connection, names)
    reported = sa.exists().where(f.dataset == p.dataset)
    served = sa.select(p.dataset, p.version).where(p.live_key.is_(True), reported)
    live = {name: row.version for name, row in every.rows(served)}
    if not live:
        return {}
    newest = sa.union_all(*map(_newest_reports, live)).subquery()
    counted = _counted(newest)
    error = counted.c.error
    averages = sa.select(
        counted.c.dataset, counted.c.model_version, sa.func.count(), sa.func.avg(error),
        sa.func.avg(error * error), sa.func.min(counted.c.asked), sa.func.max(counted.c.asked),
    ).group_by(counted.c.dataset, counted.c.model_version)  # fmt: skip
    return {
        name: Bucket(since, until, count, mean, None, (version,), sqrt(max(square - mean**2, 0.0)))
        for name, version, count, mean, square, since, until in connection.execute(averages)
        if live[name] == version
    }


def _newest_reports(name: str) -> sa.Select[Any]:
    f = feedback.c
    newest = (
        sa.select(f.dataset, f.id, f.prediction_id, f.actual, f.label, f.at)
        .where(f.dataset == name)
        .order_by(f.at.desc(), f.id.desc())
        .limit(LOOKED_THROUGH)
        .subquery()
    )
    return sa.select(newest)


def _counted(reports: sa.Subquery) -> sa.Subquery:
    """The predictions with the newest reports, with the error of each by its last report."""
    r, a = reports.c, predictions.c
    readable = sa.func.json_valid(_ANSWER) == 1
    label = sa.case((readable, a.answer["label"].as_string()))
    is_number = r.label.is_(None)
    fits = (sa.func.abs(a.prediction) < _LARGEST) & (sa.func.abs(r.actual) < _LARGEST)
    wrong = sa.func.hex(label) != sa.func.hex(r.label)  # some collations ignore case
    error = sa.case((is_number, sa.func.abs(a.prediction - r.actual)), (wrong, 1.0), else_=0.0)
    newest_first = (r.at.desc(), r.id.desc())
    last = sa.func.row_number().over(partition_by=r.prediction_id, order_by=newest_first)
    outcomes = (
        sa.select(
            r.dataset, r.at, r.id, a.at.label("asked"), a.model_version,
            sa.type_coerce(error, sa.Double).label("error"), last.label("last"),
        )
        .join(predictions, sa.and_(a.dataset == r.dataset, a.id == r.prediction_id))
        .where(sa.or_(sa.and_(is_number, fits), sa.and_(~is_number, label.is_not(None))))
        .subquery()
    )  # fmt: skip
    o = outcomes.c
    place = sa.func.row_number().over(partition_by=o.dataset, order_by=(o.at.desc(), o.id.desc()))
    placed = sa.select(outcomes, place.label("place")).where(o.last == 1).subquery()
    return sa.select(placed).where(placed.c.place <= COUNTED).subquery()
