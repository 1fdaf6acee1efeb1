"""Predictions of the live model, and feedback on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from console.actions.access import needs
from console.desk import Desk
from console.queries import prediction_log
from core.domain.predictions import ID_LENGTH, ID_PREFIX
from core.rules.access.roles import Actor, Right

PREDICTED_AT_ONCE = 500
"""Rows in one request to serving: few enough to show progress."""


class Reported(NamedTuple):
    """The full id of a prediction with feedback; if not `on_record` yet, it counts once it is."""

    prediction_id: str
    on_record: bool


@needs(Right.PREDICT)
def predict(
    desk: Desk, actor: Actor, row: Mapping[str, Any], *, explain: bool = False
) -> dict[str, Any]:
    """Predict one row with its warnings; with `explain`, also its feature contributions.

    Raises:
        BadRow: the row does not fit the live model.
        ServingUnavailable: serving is unavailable, or has no model yet.
    """
    return desk.serving.predict(row, explain=explain, actor=actor.name)


@needs(Right.PREDICT)
def give_feedback(desk: Desk, _actor: Actor, prediction_id: str, actual: float | str) -> Reported:
    """Report the actual value of a prediction: in the target's unit, or the class.

    The beginning of an id stands for the only prediction on record that has it.

    Raises:
        BadRow: the id is invalid, or the value is not a number or not a class of the live model.
        BadInput: several predictions have that beginning.
        Missing: no prediction on record has it (yet).
        ServingUnavailable: serving is unavailable.
    """
    start = prediction_id.strip().lower()
    if ID_PREFIX.fullmatch(start) and len(start) < ID_LENGTH:
        start = prediction_log.prediction(desk, start).id
    desk.serving.feedback(start, actual)
    with desk.store.read() as work:
        return Reported(start, work.predictions.get(start) is not None)


@needs(Right.PREDICT)
def predict_rows(
    desk: Desk, actor: Actor, rows: Sequence[Mapping[str, Any]]
) -> Iterator[list[dict[str, Any]]]:
    """Predict many rows with their warnings, some hundreds at a time; yields each chunk's answers.

    Raises:
        BadRow: a row does not fit the live model, which may have changed meanwhile; the chunks
            before it are answered.
        ServingUnavailable: serving is unavailable, or has no model any more.
    """
    for start in range(0, len(rows), PREDICTED_AT_ONCE):
        part = rows[start : start + PREDICTED_AT_ONCE]
        yield desk.serving.predict_batch(part, actor=actor.name)
