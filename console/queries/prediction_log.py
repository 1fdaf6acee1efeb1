"""Read-only, bounded queries of the predictions on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from console.desk import Desk
from core.adapters.store import Work
from core.domain.errors import BadInput, Missing
from core.domain.predictions import ID_PREFIX, LoggedPrediction, Page, Place, Search

EXPORTED = 10_000
"""The most predictions of an export."""

MOST_SEARCHED = 100_000
"""The most predictions that are read for an export."""

_AT_ONCE = 500


class SeveralBegin(BadInput):
    """Several predictions begin with what was given as an id; `ids` has them."""

    def __init__(self, start: str, ids: tuple[str, ...]) -> None:
        listed = ", ".join(ids[:3])
        super().__init__(
            f"{len(ids)} predictions begin with {start}: {listed}. Enter more of the id."
        )
        self.ids = ids


def prediction(desk: Desk, prediction_id: str) -> LoggedPrediction:
    """One logged prediction, by its id or the beginning of it.

    Raises:
        Missing: it is not on record (yet).
        SeveralBegin: several begin so.
    """
    with desk.store.read() as work:
        return named(work, prediction_id)


def named(work: Work, prediction_id: str) -> LoggedPrediction:
    """The prediction with that id, or the only one whose id begins so.

    The beginning has at least four characters, which leave a handful of a hundred thousand.

    Raises:
        Missing: it is not on record (yet).
        SeveralBegin: several begin so.
    """
    start = prediction_id.strip().lower()
    if logged := work.predictions.get(start):
        return logged
    is_start = ID_PREFIX.fullmatch(start) is not None
    found = work.predictions.search(Search(id_prefix=start)).found if is_start else []
    if len(found) > 1:
        raise SeveralBegin(start, tuple(p.id for p in found))
    if not found:
        raise Missing(f"There is no prediction {start[:60]} on record (yet).")
    (logged,) = work.predictions.with_answers(found)
    return logged


def search_predictions(
    desk: Desk,
    *,
    id_prefix: str = "",
    version: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    value: str = "",
    caller: str = "",
    before: str = "",
    limit: int = 25,
) -> Page:
    """One page of the prediction log, newest first; `before` is the previous page's `place`.

    Raises:
        BadInput: the id prefix or `before` is malformed.
    """
    start = id_prefix.strip().lower()
    if start and not ID_PREFIX.fullmatch(start):
        raise BadInput("Enter at least the first four characters of an id: 3fa8…")
    try:
        at, _, after = before.partition("~")
        place_before = Place(datetime.fromisoformat(at).astimezone(UTC), after) if before else None
    except ValueError as error:
        raise BadInput("This page of the history does not exist. Start from the newest.") from error
    search = Search(start, version, since, until, value.strip(), caller.strip())
    with desk.store.read() as work:
        page = work.predictions.search(search, limit, place_before)
        return replace(page, found=work.predictions.with_answers(page.found))


def reported(desk: Desk, ids: Sequence[str]) -> dict[str, float | str]:
    """The actual values or labels that were reported last for these predictions."""
    with desk.store.read() as work:
        return work.feedback.of_each(ids)


def matching_predictions(desk: Desk, **wanted: Any) -> list[LoggedPrediction]:
    """All matches of a search, newest first: at most `EXPORTED`.

    At most `MOST_SEARCHED` predictions are read for them.
    """
    found: list[LoggedPrediction] = []
    before, searched = "", 0
    while len(found) < EXPORTED and searched < MOST_SEARCHED:
        page = search_predictions(desk, before=before, limit=_AT_ONCE, **wanted)
        found += page.found
        searched += page.looked_through
        before = place(page)
        if not before:
            break
    return found[:EXPORTED]


def place(page: Page) -> str:
    """The position of the next page as text for an address; empty on the last page."""
    return f"{page.older.at.isoformat()}~{page.older.id}" if page.older else ""
