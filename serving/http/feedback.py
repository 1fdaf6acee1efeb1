"""Feedback: the actual value, or the class, for an earlier prediction."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Sequence
from typing import Any

from core.rules.data.typed_values import EXACT, LONGEST_TEXT
from serving.problems import Problem, row_errors

MAX_ENTRIES = 500
_FIELDS = {"prediction_id", "actual"}
_NAMED = 20
"""The maximum number of classes that an error names."""

Reported = tuple[str, float | None, str | None]
"""The id of a prediction, its actual value, and its label; one of the last two is None."""


def read_feedback(document: Any, *, classifies: bool, classes: Sequence[str]) -> list[Reported]:
    """The reports in one object or a list; one invalid report rejects all.

    The prediction need not exist yet: its record may still be in the spool. `classifies`: the
    actual value is a label, one of `classes` if these are known.

    Raises:
        Problem: a field is missing or invalid; each is named with its rule.
    """
    is_list = isinstance(document, list)
    entries = document if is_list else [document]
    if not entries or len(entries) > MAX_ENTRIES:
        raise Problem(422, f"A list of feedback must have 1 to {MAX_ENTRIES} entries.")
    errors: dict[str, str] = {}
    reported: list[Reported] = []
    for n, entry in enumerate(entries):
        problems = _problems(entry)
        if isinstance(entry, dict):
            actual = entry.get("actual")
            try:
                value_and_label = (
                    (None, _label(actual, classes)) if classifies else (_number(actual), None)
                )
            except ValueError as error:
                problems["actual"] = str(error)
        errors |= row_errors(problems, *((n,) if is_list else ()))
        if not errors:
            reported.append((entry["prediction_id"].lower(), *value_and_label))
    if errors:
        raise Problem(422, "The feedback is invalid.", errors)
    return reported


def _problems(entry: Any) -> dict[str, str]:
    if not isinstance(entry, dict):
        return {"": "must be an object of prediction_id and actual"}
    problems = {name: "is an unknown field" for name in entry if name not in _FIELDS}
    if not _is_id(entry.get("prediction_id")):
        problems["prediction_id"] = "must be the id of a prediction"
    return problems


def _number(actual: Any) -> float:
    if isinstance(actual, bool) or not isinstance(actual, int | float):
        raise ValueError("must be a number")  # noqa: TRY004 - a rule of the request
    if not abs(actual) <= sys.float_info.max:
        raise ValueError("must be finite")
    return float(actual)


def _label(actual: Any, classes: Sequence[str]) -> str:
    """A class, given as its name, as a whole number, or as true or false."""
    if isinstance(actual, bool):
        label = str(actual).lower()
    elif isinstance(actual, int | float) and abs(actual) < EXACT and actual == int(actual):
        label = str(int(actual))
    else:
        label = actual if isinstance(actual, str) else ""
    is_known = label in classes if classes else 0 < len(label) <= LONGEST_TEXT
    if not is_known or "\0" in label:
        raise ValueError(f"must be a class{_known(classes)}")
    return label


def reported_as(label: str) -> list[str | int | bool]:
    """The JSON values that name a class: see `_label`."""
    values: list[str | int | bool] = [label]
    if label in ("true", "false"):
        values.append(label == "true")
    elif label.removeprefix("-").isdecimal() and label.isascii() and str(int(label)) == label:
        values.append(int(label))
    return values


def _known(classes: Sequence[str]) -> str:
    if not classes:
        return f", of at most {LONGEST_TEXT} characters"
    more = f" and {len(classes) - _NAMED:,} more" if len(classes) > _NAMED else ""
    return f" of the live model: {', '.join(classes[:_NAMED])}{more}"


def _is_id(value: Any) -> bool:
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False
