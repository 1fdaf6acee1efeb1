"""The prediction log, read side: serving writes it, through `serving.prediction_log.writer`.

Every query walks an index, newest first, and reads a bounded number of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from core.adapters.store.part import Part, whole
from core.adapters.store.tables import feedback, predictions
from core.domain.predictions import (
    ANSWERS_COUNTED,
    Answered,
    LoggedPrediction,
    Page,
    Place,
    Search,
)

_AFTER_PREFIX = "g"
"""Sorts after every character of an id."""

LOOKED_THROUGH = 2_000
"""The most predictions that a search by value or caller reads for a page."""

_BRIEF = whole(predictions, "answer")


class Predictions(Part):
    """The recorded predictions; bound to one transaction."""

    def latest(self, limit: int = 50) -> list[LoggedPrediction]:
        """The newest predictions first, without `answer`."""
        query = _BRIEF.order_by(predictions.c.at.desc(), predictions.c.id.desc())
        return self._all(LoggedPrediction, query.limit(limit))

    def get(self, prediction_id: str) -> LoggedPrediction | None:
        """The prediction with that id, or None."""
        query = whole(predictions).where(predictions.c.id == prediction_id)
        return self._one(LoggedPrediction, query)

    def search(self, search: Search, limit: int = 25, before: Place | None = None) -> Page:
        """One page of matches, from `before` on.

        A search by value or caller reads at most `LOOKED_THROUGH` predictions; its page may be
        short or empty and still have an `older`.
        """
        if search.id_prefix:
            matching = [p for p in self._of_prefix(search) if _is_wanted(p, search)]
            return Page(matching, None, len(matching))
        budget = LOOKED_THROUGH if search.value or search.caller else limit
        rows = self._all(LoggedPrediction, self._newest(search, before).limit(budget + 1))
        matching = []
        for n, row in enumerate(rows[:budget], 1):
            if _is_wanted(row, search):
                matching.append(row)
            if len(matching) == limit or n == budget:
                older = Place(row.at, row.id) if n < len(rows) else None
                return Page(matching, older, n)
        return Page(matching, None, len(rows))

    def with_answers(self, found: Sequence[LoggedPrediction]) -> list[LoggedPrediction]:
        """The same predictions, each with its `answer`; for one page of them."""
        table = predictions.c
        query = sa.select(table.id, table.answer).where(table.id.in_([p.id for p in found]))
        answers = {row.id: row.answer for row in self._connection.execute(query)}
        return [replace(p, answer=answers.get(p.id)) for p in found]

    def answered(self, version: int) -> Answered:
        """How many predictions a version has given, and how many have feedback."""
        table = predictions.c
        newest = (
            sa.select(table.id)
            .where(table.model_version == version)
            .order_by(table.at.desc(), table.id.desc())
            .limit(ANSWERS_COUNTED)
            .subquery()
        )
        known = sa.select(sa.func.count(sa.distinct(feedback.c.prediction_id))).select_from(
            newest.join(feedback, feedback.c.prediction_id == newest.c.id)
        )
        count = self._value(sa.select(sa.func.count()).select_from(newest))
        return Answered(int(count or 0), int(self._value(known) or 0))

    def _newest(self, search: Search, before: Place | None) -> sa.Select[Any]:
        table = predictions.c
        query = _BRIEF.order_by(table.at.desc(), table.id.desc())
        if before:  # in the form that MySQL can answer by range, too
            query = query.where(
                table.at <= before.at, sa.or_(table.at < before.at, table.id < before.id)
            )
        return _within(query, search)

    def _of_prefix(self, search: Search) -> list[LoggedPrediction]:
        start = search.id_prefix
        table = predictions.c
        query = _BRIEF.where(table.id >= start, table.id < start + _AFTER_PREFIX)
        query = _within(query.order_by(table.id), search).limit(LOOKED_THROUGH)
        rows = self._all(LoggedPrediction, query)
        return sorted(rows, key=lambda p: (p.at, p.id), reverse=True)


def _within(query: sa.Select[Any], search: Search) -> sa.Select[Any]:
    if search.version is not None:
        query = query.where(predictions.c.model_version == search.version)
    if search.since is not None:
        query = query.where(predictions.c.at >= search.since)
    if search.until is not None:
        query = query.where(predictions.c.at < search.until)
    return query


def _is_wanted(logged: LoggedPrediction, search: Search) -> bool:
    by_caller = search.caller.casefold() in (logged.caller or "").casefold()
    return by_caller and _matches(logged.inputs, search.value)


def _matches(inputs: dict[str, Any], wanted: str) -> bool:
    """Whether a row has the value, ignoring case; 3 equals 3.0."""
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
