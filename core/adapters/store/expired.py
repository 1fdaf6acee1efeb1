"""Data past its retention, counted and deleted in small lots.

Nothing here can reach profiles, drift, decisions, jobs or the audit trail.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import sqlalchemy as sa

from core.adapters.store.part import Part
from core.adapters.store.tables import (
    batches,
    column_profiles,
    epochs,
    feedback,
    job_logs,
    jobs,
    live_windows,
    predictions,
    promotions,
    quarantine,
)
from core.domain.batches import BatchState

if TYPE_CHECKING:
    from core.adapters.store.rows import Rows

NEEDED_PREDICTIONS = 200
"""The newest requests, which a candidate's dossier replays."""


class Kind(StrEnum):
    """Kinds of data with a retention period."""

    ROWS = "rows of earlier epochs"
    QUARANTINED = "quarantined rows"
    PREDICTIONS = "predictions"
    FEEDBACK = "feedback"
    LOG_LINES = "log lines"


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Retention limits; None keeps everything.

    `rows` is how many epochs before the current one keep their rows, and `epochs` how many keep
    their quarantined rows.
    """

    rows: int | None
    epochs: int | None
    predictions: datetime | None
    log_lines: datetime | None


class Expired(Part):
    """Data past the cutoffs; bound to one transaction."""

    def __init__(self, connection: sa.Connection, rows: Rows, now: datetime) -> None:
        super().__init__(connection, now)
        self._rows = rows

    def count(self, kind: Kind, cutoffs: Cutoffs) -> int:
        """The number of expired entries."""
        if kind is Kind.ROWS:
            in_old = self._rows.table.c.batch_id.in_(self._batches_of_old_rows(cutoffs.rows))
            return int(self._value(sa.select(sa.func.count()).where(in_old)))
        query = self._query(kind, cutoffs)
        if query is None:
            return 0
        counted = sa.select(sa.func.count()).select_from(query.order_by(None).subquery())
        return int(self._value(counted))

    def delete(self, kind: Kind, cutoffs: Cutoffs, most: int) -> int:
        """Delete the `most` oldest by key, which locks no other row; returns their number."""
        if kind is Kind.ROWS:
            return self._delete_rows(self._batches_of_old_rows(cutoffs.rows), most)
        query = self._query(kind, cutoffs)
        if query is None:
            return 0
        (key,) = query.selected_columns
        keys = self._values(query.limit(most))
        return self._delete(key.table, key.in_(keys)) if keys else 0

    def _batches_of_old_rows(self, kept: int | None) -> list[int]:
        """Batches with rows past the retention of epochs, oldest first."""
        current = self._current_epoch()
        if kept is None or current is None:
            return []
        stored = (batches.c.epoch < current - kept, batches.c.state == BatchState.STORED)
        has_rows = sa.exists().where(self._rows.table.c.batch_id == batches.c.id)
        query = sa.select(batches.c.id).where(*stored, has_rows).order_by(batches.c.id)
        return self._values(query)

    def _current_epoch(self) -> int | None:
        number: int | None = self._value(sa.select(sa.func.max(epochs.c.number)))
        return number

    def _delete_rows(self, batch_ids: list[int], most: int) -> int:
        """Delete rows of the oldest batch, which is marked as removed from the first one on."""
        if not batch_ids:
            return 0
        is_first = (batches.c.id == batch_ids[0], batches.c.rows_removed_at.is_(None))
        self._update(batches, *is_first, rows_removed_at=self._now)
        return self._rows.remove(batch_ids[0], most)

    def _query(self, kind: Kind, cutoffs: Cutoffs) -> sa.Select[tuple[int | str]] | None:
        """The keys of expired entries, oldest first; None if all are kept."""
        if kind is Kind.QUARANTINED:
            return self._quarantined(cutoffs.epochs)
        if kind is Kind.LOG_LINES:
            return _log_lines(cutoffs.log_lines)
        if kind is Kind.PREDICTIONS:
            return self._predictions(cutoffs.predictions)
        return self._feedback(cutoffs.predictions)

    def _quarantined(self, kept: int | None) -> sa.Select[tuple[int | str]] | None:
        current = self._current_epoch()
        if kept is None or current is None:
            return None
        old = sa.select(batches.c.id).where(batches.c.epoch < current - kept)
        query = sa.select(quarantine.c.id).where(quarantine.c.batch_id.in_(old))
        return query.order_by(quarantine.c.id)

    def _predictions(self, before: datetime | None) -> sa.Select[tuple[int | str]] | None:
        if before is None:
            return None
        table = predictions.c
        query = sa.select(table.id).where(self._unneeded(before))
        return query.order_by(table.at, table.id)

    def _unneeded(self, before: datetime) -> sa.ColumnElement[bool]:
        """Predictions that no dossier replays and that belong to a window if windows are cut."""
        table = predictions.c
        newest = sa.select(table.at, table.id).order_by(table.at.desc(), table.id.desc())
        last_needed = newest.limit(1).offset(NEEDED_PREDICTIONS - 1)
        needed = self._connection.execute(last_needed).one_or_none()
        if needed is None:
            return sa.false()
        rules = [table.at < before, _up_to(needed.at, needed.id), table.id != needed.id]
        if self._windows_are_cut():
            ends = sa.select(live_windows.c.ended_at, live_windows.c.last_id)
            newest_end = ends.order_by(live_windows.c.id.desc()).limit(1)
            last = self._connection.execute(newest_end).one_or_none()
            rules.append(_up_to(last.ended_at, last.last_id) if last else sa.false())
        return sa.and_(*rules)

    def _feedback(self, before: datetime | None) -> sa.Select[tuple[int | str]] | None:
        """Feedback whose prediction is missing or expires too."""
        if before is None:
            return None
        stays = sa.exists().where(
            predictions.c.id == feedback.c.prediction_id, sa.not_(self._unneeded(before))
        )
        return (
            sa.select(feedback.c.id)
            .where(feedback.c.at < before, ~stays)
            .order_by(feedback.c.at, feedback.c.id)
        )

    def _windows_are_cut(self) -> bool:
        """Whether the live version has a profile of its training rows."""
        profile = column_profiles.c
        has_profile = sa.exists().where(
            profile.owner == "model", profile.owner_id == promotions.c.version
        )
        query = sa.select(promotions.c.version).where(promotions.c.live_key.is_(True), has_profile)
        return self._value(query.limit(1)) is not None


def _up_to(at: datetime, prediction_id: str) -> sa.ColumnElement[bool]:
    """Predictions up to this one in order, as a condition that MySQL answers by range."""
    table = predictions.c
    return sa.and_(table.at <= at, sa.or_(table.at < at, table.id <= prediction_id))


def _log_lines(before: datetime | None) -> sa.Select[tuple[int | str]] | None:
    """Log lines of jobs that have ended."""
    if before is None:
        return None
    is_open = sa.select(jobs.c.id).where(jobs.c.active_key.is_not(None))
    return (
        sa.select(job_logs.c.id)
        .where(job_logs.c.at < before, job_logs.c.job_id.not_in(is_open))
        .order_by(job_logs.c.id)
    )
