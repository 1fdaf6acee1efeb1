"""The prediction log, read side: serving writes it, through `serving.record`.

The log may hold a hundred thousand answers, so every question walks an index, newest first, and
looks at a bounded number of rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.tables import predictions

ID_PREFIX = re.compile(r"[0-9a-f][0-9a-f-]{3,35}")
"""The start of an id that can be searched for: four characters leave a handful of a hundred
thousand."""

_AFTER_PREFIX = "g"
"""Sorts after every character of an id."""

LOOKED_THROUGH = 2_000
"""How many answers a search by value reads before it hands back what it has."""

_BRIEF = [c for c in predictions.c if c.name != "answer"]


@dataclass(frozen=True, slots=True)
class LoggedPrediction:
    """One answer that serving gave: to which inputs, when, and by which version.

    `answer` is what was said beside it (`low`, `high`, `contributions`), where it was read.
    """

    id: str
    at: datetime
    model_version: int
    inputs: dict[str, Any]
    prediction: float
    answer: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; an empty part asks for nothing.

    `since` counts in, `until` does not. `value` is `field=value`, or a part of any value.
    """

    id_prefix: str = ""
    version: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    value: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the time and id of the last answer that was looked at."""

    at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of answers, newest first; `older` is where the next begins, None at the end."""

    found: list[LoggedPrediction]
    older: Place | None
    looked_through: int


class Predictions:
    """The answers that serving gave, as seen from inside one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def latest(self, limit: int = 50) -> list[LoggedPrediction]:
        """The newest answers first, without what was said beside them."""
        query = sa.select(*_BRIEF).order_by(predictions.c.at.desc(), predictions.c.id.desc())
        return self._read(query.limit(limit))

    def get(self, prediction_id: str) -> LoggedPrediction | None:
        """The answer of that id, if it was recorded."""
        query = sa.select(predictions).where(predictions.c.id == prediction_id)
        row = self._connection.execute(query).one_or_none()
        return LoggedPrediction(**row._mapping) if row else None

    def search(self, search: Search, limit: int = 25, before: Place | None = None) -> Page:
        """One page of what fits, from `before` on.

        A search by value reads `LOOKED_THROUGH` answers at most; its page may then be short, or
        empty, and still have an `older`.
        """
        if search.id_prefix:
            found = [p for p in self._of_prefix(search) if _matches(p.inputs, search.value)]
            return Page(found, None, len(found))
        budget = LOOKED_THROUGH if search.value else limit
        rows = self._read(self._newest(search, before).limit(budget + 1))
        found = []
        for n, row in enumerate(rows[:budget], 1):
            if _matches(row.inputs, search.value):
                found.append(row)
            if len(found) == limit or n == budget:
                older = Place(row.at, row.id) if n < len(rows) else None
                return Page(found, older, n)
        return Page(found, None, len(rows))

    def _newest(self, search: Search, before: Place | None) -> sa.Select[Any]:
        table = predictions.c
        query = sa.select(*_BRIEF).order_by(table.at.desc(), table.id.desc())
        if before:  # in the form that MySQL can answer by range, too
            query = query.where(
                table.at <= before.at, sa.or_(table.at < before.at, table.id < before.id)
            )
        return _within(query, search)

    def _of_prefix(self, search: Search) -> list[LoggedPrediction]:
        start = search.id_prefix
        table = predictions.c
        query = sa.select(*_BRIEF).where(table.id >= start, table.id < start + _AFTER_PREFIX)
        found = self._read(_within(query.order_by(table.id), search).limit(LOOKED_THROUGH))
        return sorted(found, key=lambda p: (p.at, p.id), reverse=True)

    def _read(self, query: sa.Select[Any]) -> list[LoggedPrediction]:
        return [LoggedPrediction(**row._mapping) for row in self._connection.execute(query)]


def _within(query: sa.Select[Any], search: Search) -> sa.Select[Any]:
    if search.version is not None:
        query = query.where(predictions.c.model_version == search.version)
    if search.since is not None:
        query = query.where(predictions.c.at >= search.since)
    if search.until is not None:
        query = query.where(predictions.c.at < search.until)
    return query


def _matches(inputs: dict[str, Any], wanted: str) -> bool:
    """Whether a row has the value: case does not count, and 3 is 3.0."""
    if not wanted:
        return True
    name, equals, value = wanted.partition("=")
    if equals:
        return _same(inputs.get(name.strip()), value.strip())
    needle = wanted.casefold()
    return any(needle in str(v).casefold() for v in inputs.values() if v is not None)


def _same(given: object, wanted: str) -> bool:
    if given is None or given == "":
        return not wanted
    if isinstance(given, int | float) and not isinstance(given, bool):
        try:
            return float(given) == float(wanted)
        except ValueError:
            return False
    return str(given).casefold() == wanted.casefold()
