"""Windows of live traffic: cut from the prediction log in its order, one after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.errors import Missing
from core.records import ColumnProfile, DriftReport, Finding, StatChange
from core.store.batches import read_tails
from core.tables import live_windows, predictions, promotions
from core.traffic import Profiles, Request, Window

_WINDOW = [c for c in live_windows.c if c.name != "profiles"]
_INPUTS = sa.type_coerce(predictions.c.inputs, sa.Text()).label("inputs")
"""As text: a record that is no JSON must not stop the ones after it."""


class Traffic:
    """The windows, and the requests that wait for one, as seen from inside one transaction.

    A window begins behind the end of the last one. So a request that is recorded only after a
    later one was already cut into a window is in none: replicas write behind their answers, and
    one whose database was away writes late.
    """

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def last(self) -> Window | None:
        """The newest window."""
        return next(iter(self.latest(1)), None)

    def latest(self, limit: int = 50) -> list[Window]:
        """The newest windows first."""
        query = sa.select(*_WINDOW).order_by(live_windows.c.id.desc()).limit(limit)
        return [_window(row) for row in self._connection.execute(query)]

    def get(self, window_id: int) -> Window:
        """The window of that id.

        Raises:
            Missing: there is none.
        """
        query = sa.select(*_WINDOW).where(live_windows.c.id == window_id)
        row = self._connection.execute(query).one_or_none()
        if row is None:
            raise Missing(f"There is no window {window_id}.")
        return _window(row)

    def profiles(self, window_id: int) -> Profiles:
        """What is kept of a window's requests; empty if there is no such window."""
        query = sa.select(live_windows.c.profiles).where(live_windows.c.id == window_id)
        kept = self._connection.execute(query).scalar()
        return tuple(_profile(entry) for entry in kept or ())

    def waiting(self, after: Window | None, most: int) -> int:
        """How many requests came after a window, counted up to `most`."""
        some = _following(after).with_only_columns(predictions.c.id).limit(most).subquery()
        query = sa.select(sa.func.count()).select_from(some)
        return int(self._connection.execute(query).scalar_one())

    def requests(self, after: Window | None, until: datetime, count: int) -> list[Request]:
        """The next `count` requests, none later than `until`; empty if there are not so many.

        That there are not enough is found in the index alone.
        """
        query = _following(after).where(predictions.c.at <= until)
        probe = query.with_only_columns(predictions.c.id).limit(1).offset(count - 1)
        if self._connection.execute(probe).scalar() is None:
            return []
        whole = query.with_only_columns(predictions.c.id, predictions.c.at, _INPUTS)
        found = self._connection.execute(whole.limit(count))
        return [Request(row.id, row.at, _object(row.inputs)) for row in found]

    def add(self, window: Window, profiles: Profiles, after: Window | None) -> int | None:
        """Keep the window that follows `after`; returns its id.

        None if somebody has cut on from there meanwhile, or another version is live by now. Who
        adds a window locks the version's row, so that of two with different ends - a late record
        came between their looks - only one is kept.
        """
        version = promotions.c.version == window.version
        live = sa.select(promotions.c.live_key).where(version).with_for_update()
        if not self._connection.execute(live).scalar():
            return None
        last = self.last()
        if (last and last.id) != (after and after.id):
            return None
        values = {
            "model_version": window.version,
            "started_at": window.started_at,
            "ended_at": window.ended_at,
            "last_id": window.last_id,
            "rows": window.rows,
            "unreadable": window.unreadable,
            "drifted": window.drifted,
            "reasons": list(window.report.reasons),
            "changes": [asdict(c) for c in window.report.changes],
            "profiles": [asdict(p) for p in profiles],
            "created_at": self._now,
        }
        try:
            inserted = self._connection.execute(sa.insert(live_windows).values(values))
        except sa.exc.IntegrityError:
            return None
        (window_id,) = inserted.inserted_primary_key or (0,)
        return int(window_id)


def _following(after: Window | None) -> sa.Select[Any]:
    table = predictions.c
    query = sa.select(predictions).order_by(table.at, table.id)
    # MySQL may prefer to skip through the index of versions, and sorts all that it finds there.
    for dialect in ("mysql", "mariadb"):
        query = query.with_hint(predictions, "FORCE INDEX (ix_predictions_at_id)", dialect)
    if after is None:
        return query
    return query.where(  # in the form that MySQL can answer by range, too
        table.at >= after.ended_at, sa.or_(table.at > after.ended_at, table.id > after.last_id)
    )


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (TypeError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _window(row: sa.Row[Any]) -> Window:
    fields = row._mapping
    changes = (StatChange(**c | {"finding": Finding(c["finding"])}) for c in fields["changes"])
    return Window(
        fields["model_version"],
        fields["started_at"],
        fields["ended_at"],
        fields["last_id"],
        fields["rows"],
        fields["unreadable"],
        DriftReport(fields["drifted"], tuple(fields["reasons"]), tuple(changes)),
        fields["id"],
        fields["created_at"],
    )


def _profile(kept: Mapping[str, Any]) -> ColumnProfile:
    read = {"grid": tuple(kept["grid"]), "tails": read_tails(kept["tails"])}
    return ColumnProfile(**dict(kept) | read)
