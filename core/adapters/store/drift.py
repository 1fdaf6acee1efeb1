"""Drift reports: one row per comparison, one per statistic and one per measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.adapters.store.part import Part, equal, select, whole
from core.adapters.store.tables import drift_measures, drift_reports, drift_stats
from core.domain.batches import Batch
from core.domain.drift import (
    DriftReport,
    Finding,
    Measure,
    Measured,
    Reason,
    Reference,
    StatChange,
    StoredReport,
)
from core.rules.data.far_values import FAR_OUTSIDE
from core.rules.drift.recommendation import Advice
from core.rules.drift.thresholds import Cell
from core.rules.drift.verdict_findings import VerdictRow

_REPORT = whole(drift_reports, "advice")
_PARTS = (drift_stats, drift_measures)
_WITH_PREVIOUS = drift_reports.c.reference == Reference.PREVIOUS.value
_COLUMNS = {
    "column": "column_name", "reference": "reference_value", "current": "current_value",
    "limit": "limit_value",
}  # fmt: skip
"""The columns of a change's fields with another name."""


class Drift(Part):
    """The comparisons; bound to one transaction."""

    def put(
        self,
        batch: Batch,
        reference: Reference,
        reference_name: str,
        report: DriftReport,
        advice: Advice | None = None,
        *,
        reference_id: int | None = None,
        note: str = "",
    ) -> int:
        """Store a report, replacing an earlier one of the same two; returns its id.

        `advice` is about the batch and stored with its comparison with the previous batch.
        `reference_id` is the batch or the model version that it was compared with; `note` says why
        it was not the batch just before.
        """
        key = {"batch_id": batch.id, "reference": reference.value, "reference_name": reference_name}
        same = [drift_reports.c[name] == value for name, value in key.items()]
        if old := self._values(sa.select(drift_reports.c.id).where(*same)):
            for part in _PARTS:
                self._delete(part, part.c.report_id.in_(old))
            self._delete(drift_reports, drift_reports.c.id.in_(old))
        report_id = self._insert(
            drift_reports,
            **key,
            epoch=batch.epoch,
            batch_number=batch.number,
            retrain=report.retrain,
            reasons=[asdict(r) for r in report.reasons],
            created_at=self._now,
            advice=advice.to_json() if advice else None,
            reference_id=reference_id,
            note=note[:500],
            measure_reasons=[asdict(r) for r in report.measure_reasons] or None,
        )
        written: tuple[Sequence[StatChange | Measured], ...] = (report.changes, report.measures)
        for part, checks in zip(_PARTS, written, strict=True):
            rows = ({_COLUMNS.get(k, k): v for k, v in asdict(c).items()} for c in checks)
            self._insert_all(
                part, (c | {"report_id": report_id, "position": n} for n, c in enumerate(rows))
            )
        return report_id

    def latest(
        self, limit: int = 50, reference: Reference | None = None, batch_id: int | None = None
    ) -> list[StoredReport]:
        """The newest reports first, each with its changes and measures."""
        wanted = ((drift_reports.c.reference, reference), (drift_reports.c.batch_id, batch_id))
        query = _REPORT.where(*equal(*wanted)).order_by(drift_reports.c.id.desc())
        rows = self._connection.execute(query.limit(limit)).all()
        ids = [row.id for row in rows]
        changes, measures = self._changes(ids), self._measures(ids)
        return [
            _stored(changes.get(row.id, ()), measures.get(row.id, ()), **row._mapping)
            for row in rows
        ]

    def advice(self, batch_id: int) -> Advice | None:
        """The recommendation about a batch, if any."""
        report = drift_reports.c
        query = sa.select(report.advice).where(report.batch_id == batch_id, _WITH_PREVIOUS)
        document = self._value(query.order_by(report.id.desc()).limit(1))
        return Advice.from_json(document) if document else None

    def referring_to(self, batch_id: int) -> list[int]:
        """The ids of batches whose newest comparison is with this one, ascending."""
        report = drift_reports.c
        newest = (
            sa.select(sa.func.max(report.id))
            .where(_WITH_PREVIOUS, report.batch_id > batch_id)
            .group_by(report.batch_id)
        )
        mine = (report.reference_id == batch_id, report.id.in_(newest))
        return self._values(sa.select(report.batch_id).where(*mine).order_by(report.batch_id))

    def stamp(self) -> tuple[int, datetime | None]:
        """A token that changes with every stored report."""
        report = drift_reports.c
        query = sa.select(sa.func.max(report.id), sa.func.max(report.created_at))
        newest, at = self._connection.execute(query).one()
        return int(newest or 0), at

    def cells(self, reference: Reference, limit: int = 200) -> list[Cell]:
        """Every statistic of the newest batches' reports against one reference, oldest first.

        A batch with comparisons with several champions counts with the last one.
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
        rose = (stat.current_value > stat.reference_value).label("rose")
        shown = (stat.column_name, stat.statistic, stat.ratio, stat.limit_value, stat.band, rose)
        stats = (
            sa.select(stat.report_id, *shown)
            .where(stat.report_id.in_(of_report))
            .order_by(stat.report_id, stat.position)
        )
        far = self._by_far_values(list(of_report))
        cells = [Cell(*of_report[id_], *rest) for id_, *rest in self._connection.execute(stats)]
        cells = [
            replace(cell, far=True)
            if f"{cell.column}_{cell.statistic}" in far.get(cell.report_id, ())
            else cell
            for cell in cells
        ]
        return sorted(cells, key=lambda cell: cell.batch_id)

    def _by_far_values(self, ids: Sequence[int]) -> dict[int, set[str]]:
        """The changes of these reports that values far outside the former range made.

        Few reports have any, so the others' reasons are not read.
        """
        report = drift_reports.c
        some = sa.cast(report.reasons, sa.Text).like(f"%{FAR_OUTSIDE}%")
        query = sa.select(report.id, report.reasons).where(report.id.in_(ids), some)
        return {
            id_: {reason.change for reason in map(Reason.from_json, reasons) if reason.far}
            for id_, reasons in self._connection.execute(query)
        }

    def compared(self, limit: int = 200) -> list[tuple[int, int, int]]:
        """The newest compared batches, as (batch id, epoch, number), newest first."""
        report = drift_reports.c
        query = (
            sa.select(report.batch_id, report.epoch, report.batch_number)
            .where(_WITH_PREVIOUS)
            .order_by(report.batch_id.desc())
            .limit(limit)
        )
        return list(dict.fromkeys(tuple(row) for row in self._connection.execute(query)))

    def verdicts(self, batch_ids: Sequence[int]) -> list[VerdictRow]:
        """The newest report of each of these batches against each reference, without statistics.

        Newest first.
        """
        report = drift_reports.c
        query = select(VerdictRow, drift_reports).where(report.batch_id.in_(batch_ids))
        newest: dict[tuple[int, str], VerdictRow] = {}
        for row in self._connection.execute(query.order_by(report.id.desc())):
            newest.setdefault((row.batch_id, row.reference), as_verdict(row))
        return list(newest.values())

    def _changes(self, ids: Sequence[int]) -> dict[int, list[StatChange]]:
        grouped: dict[int, list[StatChange]] = {}
        stat = drift_stats.c
        query = select(StatChange, drift_stats, **_COLUMNS).add_columns(stat.report_id)
        ordered = query.where(stat.report_id.in_(ids)).order_by(stat.report_id, stat.position)
        for row in self._connection.execute(ordered).mappings():
            values = dict(row) | {"finding": Finding(row["finding"])}
            grouped.setdefault(values.pop("report_id"), []).append(StatChange(**values))
        return grouped

    def _measures(self, ids: Sequence[int]) -> dict[int, list[Measured]]:
        grouped: dict[int, list[Measured]] = {}
        of = drift_measures.c
        query = select(Measured, drift_measures, **_COLUMNS).add_columns(of.report_id)
        ordered = query.where(of.report_id.in_(ids)).order_by(of.report_id, of.position)
        for row in self._connection.execute(ordered).mappings():
            values = dict(row)
            grouped.setdefault(values.pop("report_id"), []).append(as_measured(values))
        return grouped


def as_verdict(row: Any) -> VerdictRow:
    """A report's verdict from its row."""
    return VerdictRow(
        row.batch_id,
        Reference(row.reference),
        row.retrain,
        tuple(map(Reason.from_json, row.reasons)),
        Advice.from_json(row.advice) if row.advice else None,
        tuple(map(Reason.from_json, row.measure_reasons or ())),
        row.reference_name,
    )


def as_measured(stored: Mapping[str, Any]) -> Measured:
    """A measure from its fields, as a row or JSON has them."""
    kinds = {"measure": Measure(stored["measure"]), "finding": Finding(stored["finding"])}
    return Measured(**{**stored, **kinds})


def _stored(
    changes: Sequence[StatChange],
    measures: Sequence[Measured],
    *,
    retrain: bool,
    reasons: list[Any],
    measure_reasons: list[Any] | None,
    **columns: Any,
) -> StoredReport:
    report = DriftReport(
        retrain,
        tuple(map(Reason.from_json, reasons)),
        tuple(changes),
        tuple(measures),
        tuple(map(Reason.from_json, measure_reasons or ())),
    )
    columns["reference"] = Reference(columns["reference"])
    return StoredReport(report=report, **columns)
