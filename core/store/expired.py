"""What is older than it has to be kept, counted and deleted in small lots.

Nothing here can reach profiles, drift, decisions, jobs or the audit trail.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from core.tables import (
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

NEEDED_PREDICTIONS = 200
"""The newest requests, on which a candidate's dossier replays what it would have answered."""


class Kind(StrEnum):
    """What can be over its time."""

    QUARANTINED = "quarantined rows"
    PREDICTIONS = "predictions"
    FEEDBACK = "feedback"
    LOG_LINES = "log lines"


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Until when what is kept; None keeps everything.

    `epochs` is how many epochs before the current one keep their quarantined rows.
    """

    epochs: int | None
    predictions: datetime | None
    log_lines: datetime | None


class Expired:
    """What lies behind the cutoffs, as seen from inside one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def count(self, kind: Kind, cutoffs: Cutoffs) -> int:
        """How many there are."""
        query = self._query(kind, cutoffs)
        if query is None:
            return 0
        counted = sa.select(sa.func.count()).select_from(query.order_by(None).subquery())
        return int(self._connection.execute(counted).scalar_one())

    def delete(self, kind: Kind, cutoffs: Cutoffs, most: int) -> int:
        """Delete the `most` oldest by their keys, so that no other row is locked; says how many."""
        query = self._query(kind, cutoffs)
        if query is None:
            return 0
        keys = self._connection.execute(query.limit(most)).scalars().all()
        if not keys:
            return 0
        (column,) = query.selected_columns
        table = column.table
        deleted = self._connection.execute(sa.delete(table).where(column.in_(keys)))
        return int(deleted.rowcount)

    def _query(self, kind: Kind, cutoffs: Cutoffs) -> sa.Select[tuple[int | str]] | None:
        """The keys of that kind that may go, oldest first; None if all are kept."""
        if kind is Kind.QUARANTINED:
            return self._quarantined(cutoffs.epochs)
        if kind is Kind.LOG_LINES:
            return _log_lines(cutoffs.log_lines)
        if kind is Kind.PREDICTIONS:
            return self._predictions(cutoffs.predictions)
        return self._feedback(cutoffs.predictions)

    def _quarantined(self, kept: int | None) -> sa.Select[tuple[int | str]] | None:
        current = self._connection.execute(sa.select(sa.func.max(epochs.c.number))).scalar()
        if kept is None or current is None:
            return None
        old = sa.select(batches.c.id).where(batches.c.epoch < current - kept)
        return (
            sa.select(quarantine.c.id)
            .where(quarantine.c.batch_id.in_(old))
            .order_by(quarantine.c.id)
        )

    def _predictions(self, before: datetime | None) -> sa.Select[tuple[int | str]] | None:
        if before is None:
            return None
        table = predictions.c
        query = sa.select(table.id).where(self._unneeded(before))
        return query.order_by(table.at, table.id)

    def _unneeded(self, before: datetime) -> sa.ColumnElement[bool]:
        """Predictions that no dossier replays, and that are in a window where windows are cut."""
        table = predictions.c
        newest = sa.select(table.at, table.id).order_by(table.at.desc(), table.id.desc())
        needed = self._connection.execute(
            newest.limit(1).offset(NEEDED_PREDICTIONS - 1)
        ).one_or_none()
        if needed is None:
            return sa.false()
        rules = [table.at < before, _up_to(needed.at, needed.id), table.id != needed.id]
        if self._windows_are_cut():
            last = self._connection.execute(
                sa.select(live_windows.c.ended_at, live_windows.c.last_id)
                .order_by(live_windows.c.id.desc())
                .limit(1)
            ).one_or_none()
            rules.append(_up_to(last.ended_at, last.last_id) if last else sa.false())
        return sa.and_(*rules)

    def _feedback(self, before: datetime | None) -> sa.Select[tuple[int | str]] | None:
        """Reports about answers that are not on record, or go, too."""
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
        """Whether there is a live version whose training rows' profile is known."""
        profile = column_profiles.c
        query = (
            sa.select(promotions.c.version)
            .where(
                promotions.c.live_key.is_(True),
                sa.exists().where(
                    profile.owner == "model", profile.owner_id == promotions.c.version
                ),
            )
            .limit(1)
        )
        return self._connection.execute(query).scalar() is not None


def _up_to(at: datetime, prediction_id: str) -> sa.ColumnElement[bool]:
    """Predictions in their order up to this one, in the form that MySQL can answer by range."""
    table = predictions.c
    return sa.and_(table.at <= at, sa.or_(table.at < at, table.id <= prediction_id))


def _log_lines(before: datetime | None) -> sa.Select[tuple[int | str]] | None:
    """Lines of jobs that are over."""
    if before is None:
        return None
    is_open = sa.select(jobs.c.id).where(jobs.c.active_key.is_not(None))
    return (
        sa.select(job_logs.c.id)
        .where(job_logs.c.at < before, job_logs.c.job_id.not_in(is_open))
        .order_by(job_logs.c.id)
    )
