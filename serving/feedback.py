"""What an answer should have been, as a caller tells it later."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass
from typing import Any

from serving.problems import Problem, pointer

MOST = 500
_FIELDS = {"prediction_id", "actual"}


@dataclass(frozen=True, slots=True)
class Feedback:
    """The actual value behind a prediction, in the target's unit."""

    prediction_id: str
    actual: float


def read_feedback(document: Any) -> list[Feedback]:
    """One object, or a list of them; all are fit, or none is taken.

    Whether there is such a prediction is not asked: its record may still be on its way.

    Raises:
        Problem: something is missing or wrong; each such field is named with its rule.
    """
    is_list = isinstance(document, list)
    entries = document if is_list else [document]
    if not entries or len(entries) > MOST:
        raise Problem(422, f"A list of feedback has 1 to {MOST} entries.")
    errors: dict[str, str] = {}
    told = []
    for n, entry in enumerate(entries):
        before = (n,) if is_list else ()
        wrong = _problems(entry)
        errors |= {pointer(*before, field): rule for field, rule in wrong.items()}
        if not wrong:
            told.append(Feedback(str(uuid.UUID(entry["prediction_id"])), float(entry["actual"])))
    if errors:
        raise Problem(422, "The feedback does not have the form that is asked for.", errors)
    return told


def _problems(entry: Any) -> dict[str, str]:
    if not isinstance(entry, dict):
        return {"": "must be an object of prediction_id and actual"}
    wrong = {name: "is not asked for" for name in entry if name not in _FIELDS}
    if not _is_id(entry.get("prediction_id")):
        wrong["prediction_id"] = "must be the id that an answer carried"
    actual = entry.get("actual")
    if isinstance(actual, bool) or not isinstance(actual, int | float):
        wrong["actual"] = "must be a number"
    elif not _is_finite(actual):
        wrong["actual"] = "must be finite"
    return wrong


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _is_id(value: Any) -> bool:
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False
