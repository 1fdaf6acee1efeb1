"""Recorded predictions, reported actual values, and how predictions are searched for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

ID_PREFIX = re.compile(r"[0-9a-f][0-9a-f-]{3,35}")
"""A searchable prefix of an id: four characters leave a handful of a hundred thousand."""

ID_LENGTH = 36
"""The length of a whole id."""


@dataclass(frozen=True, slots=True)
class LoggedPrediction:
    """A recorded prediction: inputs, time and version; its fields are the table's columns.

    `prediction` is in the target's unit; for a classifier, the probability of the answered class.
    `answer`, if it was read, has `low`, `high` and `contributions`; for a classifier, `label`,
    `probabilities`, `set` and `contributions`. `caller` is who asked: see
    `core.rules.access.api_keys.caller_words`; None in older records.
    """

    id: str
    at: datetime
    model_version: int
    inputs: dict[str, Any]
    prediction: float
    answer: dict[str, Any] | None = None
    caller: str | None = None


@dataclass(frozen=True, slots=True)
class ReportedActual:
    """The actual value for a prediction; its fields are the table's columns.

    `actual` is in the target's unit, `label` the class; one of them is None. `source` is the name
    of the API key that reported it; empty without one.
    """

    id: str
    prediction_id: str
    actual: float | None
    at: datetime
    source: str
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """How many predictions a version has given, and how many of them have a reported actual value.

    Both are of the newest `ANSWERS_COUNTED` predictions at most.
    """

    predictions: int
    with_feedback: int


ANSWERS_COUNTED = 10_000
"""Counting all of them would take longer than a page may."""


@dataclass(frozen=True, slots=True)
class Search:
    """A search; empty parts match everything.

    `since` is inclusive, `until` exclusive. `value` is `field=value`, or a part of any value;
    `caller` is a part of who asked.
    """

    id_prefix: str = ""
    version: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    value: str = ""
    caller: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """The end of a page: time and id of the last prediction that was read."""

    at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of predictions, newest first; `older` starts the next page, None at the end."""

    found: list[LoggedPrediction]
    older: Place | None
    looked_through: int
