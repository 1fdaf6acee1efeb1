"""Drift reports: one row a comparison, one row a statistic, and the original's wide view."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.advice import Advice
from core.limits import Cell
from core.records import (
    Batch,
    DriftReport,
    Finding,
    Reference,
    StatChange,
    StoredReport,
)
from core.tables import drift_reports, drift_stats

_REPORT = [c for c in drift_reports.c if c.name != "advice"]


class Drift:
    """The comparisons, as seen from inside one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def put(
        self,
        batch: Batch,
        reference: Reference,
        reference_name: str,
        report: DriftReport,
        advice: Advice | None = None,
    ) -> int:
        """Keep a report, in the place of an earlier one of the same two; returns its id.

        `advice` is about the batch and stands with its report on the batch before.
        """
        same = sa.and_(
            drift_reports.c.batch_id == batch.id,
            drift_reports.c.reference == reference.value,
            drift_reports.c.reference_name == reference_name,
        )
        old = self._connection.execute(sa.select(drift_reports.c.id).where(same)).scalars().all()
        if old:
            self._connection.execute(sa.delete(drift_stats).where(drift_stats.c.report_id.in_(old)))
            self._connection.execute(sa.delete(drift_reports).where(drift_reports.c.id.in_(old)))
        inserted = self._connection.execute(
            sa.insert(drift_reports).values(
                batch_id=batch.id,
                epoch=batch.epoch,
                batch_number=batch.number,
                reference=reference.value,
                reference_name=reference_name,
                retrain=report.retrain,
                reasons=list(report.reasons),
                created_at=self._now,
                advice=advice.to_json() if advice else None,
            )
        )
        (report_id,) = inserted.inserted_primary_key or (0,)
        if report.changes:
            self._connection.execute(
                sa.insert(drift_stats),
                [
                    {
                        "report_id": report_id,
                        "position": position,
                        "column_name": c.column,
                        "statistic": c.statistic,
                        "reference_value": c.reference,
                        "current_value": c.current,
                        "ratio": c.ratio,
                        "limit_value": c.limit,
                        "finding": c.finding.value,
                        "band": c.band,
                    }
                    for position, c in enumerate(report.changes)
                ],
            )
        return int(report_id)

    def latest(
        self, limit: int = 50, reference: Reference | None = None, batch_id: int | None = None
    ) -> list[StoredReport]:
        """The newest reports first, each with its changes."""
        query = sa.select(drift_reports).order_by(drift_reports.c.id.desc()).limit(limit)
        if reference:
            query = query.where(drift_reports.c.reference == reference.value)
        if batch_id is not None:
            query = query.where(drift_reports.c.batch_id == batch_id)
        found = self._connection.execute(query.with_only_columns(*_REPORT)).all()
        changes = self._changes([row.id for row in found])
        return [
            StoredReport(
                row.id,
                row.batch_id,
                row.epoch,
                row.batch_number,
                Reference(row.reference),
                row.reference_name,
                row.created_at,
                DriftReport(row.retrain, tuple(row.reasons), tuple(changes.get(row.id, ()))),
            )
            for row in found
        ]

    def advice(self, batch_id: int) -> Advice | None:
        """What was recommended about a batch, if anything was."""
        query = (
            sa.select(drift_reports.c.advice)
            .where(
                drift_reports.c.batch_id == batch_id,
                drift_reports.c.reference == Reference.PREVIOUS.value,
            )
            .order_by(drift_reports.c.id.desc())
            .limit(1)
        )
        kept = self._connection.execute(query).scalar()
        return Advice.from_json(kept) if kept else None

    def stamp(self) -> tuple[int, datetime | None]:
        """Something that is another whenever a report has been written."""
        query = sa.select(
            sa.func.max(drift_reports.c.id).label("id"),
            sa.func.max(drift_reports.c.created_at).label("at"),
        )
        row = self._connection.execute(query).one()
        return int(row.id or 0), row.at

    def cells(self, reference: Reference, limit: int = 200) -> list[Cell]:
        """Every statistic of the newest batches' reports against one reference, oldest first.

        A batch that was compared with several champions counts with the last of them.
        """
        report, stat = drift_reports.c, drift_stats.c
        newest = (
            sa.select(report.id, report.batch_id, report.epoch, report.batch_number)
            .where(report.reference == reference.value)
            .order_by(report.batch_id.desc(), report.id.desc())
            .limit(limit)
        )
        last = {row.batch_id: row for row in reversed(self._connection.execute(newest).all())}
        of_report: dict[int, tuple[Any, ...]] = {row.id: tuple(row) for row in last.values()}
        stats = (
            sa.select(
                stat.report_id,
                stat.column_name,
                stat.statistic,
                stat.ratio,
                stat.limit_value,
                stat.band,
            )
            .where(stat.report_id.in_(of_report))
            .order_by(stat.report_id, stat.position)
        )
        found = [
            Cell(*of_report[row[0]], *row[1:])
            for row in map(tuple, self._connection.execute(stats))
        ]
        return sorted(found, key=lambda cell: cell.batch_id)

    def compared(self, limit: int = 200) -> list[tuple[int, int, int]]:
        """The newest batches that were compared, as (batch id, epoch, number), newest first."""
        report = drift_reports.c
        query = (
            sa.select(report.batch_id, report.epoch, report.batch_number)
            .where(report.reference == Reference.PREVIOUS.value)
            .order_by(report.batch_id.desc())
            .limit(limit)
        )
        found = (tuple(row) for row in self._connection.execute(query))
        return list(dict.fromkeys(found))

    def _changes(self, ids: Sequence[int]) -> dict[int, list[StatChange]]:
        grouped: dict[int, list[StatChange]] = {}
        query = (
            sa.select(drift_stats)
            .where(drift_stats.c.report_id.in_(ids))
            .order_by(drift_stats.c.report_id, drift_stats.c.position)
        )
        for row in self._connection.execute(query):
            grouped.setdefault(row.report_id, []).append(_change(row))
        return grouped


def _change(row: sa.Row[Any]) -> StatChange:
    return StatChange(
        row.column_name,
        row.statistic,
        row.reference_value,
        row.current_value,
        row.ratio,
        row.limit_value,
        Finding(row.finding),
        row.band,
    )
