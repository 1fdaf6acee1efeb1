"""Windows of live traffic: consecutive parts of the prediction log."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.adapters.store.drift import as_measured
from core.adapters.store.part import Part, whole
from core.adapters.store.profiles import as_profile
from core.adapters.store.tables import live_windows, predictions, promotions
from core.domain.drift import DriftReport, Finding, Reason, StatChange
from core.domain.errors import Missing
from core.rules.drift.live_windows import Profiles, Request, Window

_WINDOW = whole(live_windows, "profiles")
_INPUTS = sa.type_coerce(predictions.c.inputs, sa.Text()).label("inputs")
"""As text, so that an invalid record does not stop later ones."""


class Traffic(Part):
    """The windows, and requests that are in none yet; bound to one transaction.

    A window begins after the end of the last one. A request that is recorded only after a later one
    is in a window is in none: replicas write after their answers, and late after an outage.
    """

    def last(self) -> Window | None:
        """The newest window."""
        return next(iter(self.latest(1)), None)

    def latest(self, limit: int = 50) -> list[Window]:
        """The newest windows first."""
        query = _WINDOW.order_by(live_windows.c.id.desc()).limit(limit)
        return [as_window(row) for row in self._connection.execute(query)]

    def get(self, window_id: int) -> Window:
        """The window of that id.

        Raises:
            Missing: there is none.
        """
        query = _WINDOW.where(live_windows.c.id == window_id)
        for row in self._connection.execute(query):
            return as_window(row)
        raise Missing(f"There is no window {window_id}.")

    def profiles(self, window_id: int) -> Profiles:
        """The profiles of a window; empty if there is no such window."""
        query = sa.select(live_windows.c.profiles).where(live_windows.c.id == window_id)
        return tuple(map(as_profile, self._value(query) or ()))

    def waiting(self, after: Window | None, most: int) -> int:
        """The number of requests after a window, counted up to `most`."""
        some = _following(after).with_only_columns(predictions.c.id).limit(most).subquery()
        return int(self._value(sa.select(sa.func.count()).select_from(some)))

    def requests(self, after: Window | None, until: datetime, count: int) -> list[Request]:
        """The next `count` requests until `until`; empty if there are fewer.

        An index-only query tells whether there are enough.
        """
        query = _following(after).where(predictions.c.at <= until)
        probe = query.with_only_columns(predictions.c.id).limit(1).offset(count - 1)
        if self._value(probe) is None:
            return []
        whole = query.with_only_columns(predictions.c.id, predictions.c.at, _INPUTS)
        rows = self._connection.execute(whole.limit(count))
        return [Request(row.id, row.at, _object(row.inputs)) for row in rows]

    def add(self, window: Window, profiles: Profiles, after: Window | None) -> int | None:
        """Store the window that follows `after`; returns its id.

        None if another process has stored the next window, or another version is live by now. The
        version's row is locked, so of two windows with different ends (a late record was written
        between their queries) only one is stored.
        """
        version = promotions.c.version == window.version
        live = sa.select(promotions.c.live_key).where(version).with_for_update()
        if not self._value(live):
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
            "reasons": [asdict(r) for r in window.report.reasons],
            "changes": [asdict(c) for c in window.report.changes],
            "measure_reasons": [asdict(r) for r in window.report.measure_reasons],
            "measures": [asdict(m) for m in window.report.measures],
            "profiles": [asdict(p) for p in profiles],
            "created_at": self._now,
        }
        try:
            return self._insert(live_windows, **values)
        except sa.exc.IntegrityError:
            return None


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
        inputs = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    return inputs if isinstance(inputs, dict) else None


def as_window(row: sa.Row[Any]) -> Window:
    """A window from its row without the profiles."""
    changes = tuple(StatChange(**c | {"finding": Finding(c["finding"])}) for c in row.changes)
    report = DriftReport(
        any(c.finding is Finding.BREACH for c in changes),
        tuple(map(Reason.from_json, row.reasons)),
        changes,
        tuple(map(as_measured, row.measures or ())),
        tuple(map(Reason.from_json, row.measure_reasons or ())),
    )
    return Window(
        row.model_version,
        row.started_at,
        row.ended_at,
        row.last_id,
        row.rows,
        row.unreadable,
        report,
        row.id,
        row.created_at,
    )
