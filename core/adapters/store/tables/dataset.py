"""The table and the view that follow from a dataset's columns."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from core.adapters.store.tables.drift import drift_reports, drift_stats
from core.adapters.store.tables.types import Id, UtcDateTime
from core.domain.dataset import STATISTICS, ColumnType, Dataset
from core.rules.data.typed_values import LONGEST_TEXT


def rows_table(dataset: Dataset) -> sa.Table:
    """The table of the dataset's rows, in its own metadata."""
    kinds: dict[ColumnType, sa.types.TypeEngine[Any]] = {
        ColumnType.NUMBER: sa.Double(),
        ColumnType.CATEGORY: sa.String(LONGEST_TEXT),
        ColumnType.CODE: sa.String(LONGEST_TEXT),
        ColumnType.DATE: sa.Date(),
        ColumnType.BOOLEAN: sa.Boolean(),
        ColumnType.TIMESTAMP: UtcDateTime(),
    }
    return sa.Table(
        dataset.rows_table,
        sa.MetaData(),
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("batch_id", Id, nullable=False, index=True),
        sa.Column("row_number", sa.Integer, nullable=False),
        sa.Column("held_out", sa.Boolean, nullable=False),
        *(sa.Column(c.name, kinds[c.type], nullable=c.nullable) for c in dataset.columns),
        mysql_charset="utf8mb4",
    )


def data_comp(dataset: Dataset) -> sa.Select[Any]:
    """The original's wide comparison table as a query: a row per batch, `price_mean` and so on.

    It is for a view, which no connection binds to a dataset, so it does that by itself.
    """
    ratios = [
        sa.func.max(
            sa.case(
                (
                    sa.and_(
                        drift_stats.c.column_name == sa.literal_column(f"'{column.name}'"),
                        drift_stats.c.statistic == sa.literal_column(f"'{statistic}'"),
                    ),
                    drift_stats.c.ratio,
                )
            )
        ).label(f"{column.name}_{statistic}")
        for statistic in STATISTICS
        for column in dataset.compared
    ]
    report = drift_reports.c
    previous = sa.and_(
        report.dataset == sa.literal_column(f"'{dataset.name}'"),
        report.reference == sa.literal_column("'previous'"),
    )
    # Only the newest report of each batch counts.
    newest = sa.select(sa.func.max(report.id)).where(previous).group_by(report.batch_id)
    return (
        sa.select(report.epoch, report.batch_number, *ratios, report.retrain, report.created_at)
        .select_from(drift_reports)
        .outerjoin(drift_stats, drift_stats.c.report_id == report.id)
        .where(report.id.in_(newest))
        .group_by(report.id, report.epoch, report.batch_number, report.retrain, report.created_at)
    )
