"""Drift reports and limits, and how versions score on batches."""

from __future__ import annotations

import sqlalchemy as sa

from core.adapters.store.scope import dataset_column
from core.adapters.store.tables.types import Id, LongText, UtcDateTime, id_column, metadata

# Comparisons of a batch with the previous batch, and with the champion's training rows.
drift_reports = sa.Table(
    "drift_reports",
    metadata,
    id_column(),
    dataset_column(),
    sa.Column("batch_id", Id, nullable=False, index=True),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("batch_number", sa.Integer, nullable=False),
    sa.Column("reference", sa.String(20), nullable=False),
    sa.Column("reference_name", sa.String(64), nullable=False),  # such as "epoch 1, batch 3"
    sa.Column("retrain", sa.Boolean, nullable=False),  # whether it requires retraining
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("advice", sa.JSON(none_as_null=True)),  # with the comparison with the previous batch
    sa.Column("reference_id", Id),  # the reference batch, or the champion's version
    sa.Column(
        "note", sa.String(500), nullable=False, server_default=""
    ),  # why not the previous one
    # Breaches of measures, beyond noise; null without any, and in older reports.
    sa.Column("measure_reasons", sa.JSON(none_as_null=True)),
    sa.UniqueConstraint(
        "dataset", "batch_id", "reference", "reference_name", name="uq_drift_reports_batch_id"
    ),
    sa.Index("ix_drift_reports_id", "dataset", "id"),
    sa.Index("ix_drift_reports_reference", "dataset", "reference"),
    sa.Index("ix_drift_reports_created_at", "dataset", "created_at"),
)

# One statistic of one column in each comparison.
drift_stats = sa.Table(
    "drift_stats",
    metadata,
    sa.Column("report_id", Id, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    dataset_column(),
    sa.Column("column_name", sa.String(64), nullable=False),
    sa.Column("statistic", sa.String(10), nullable=False),  # mean, std, 50 or 75
    sa.Column("reference_value", sa.Double),
    sa.Column("current_value", sa.Double),
    sa.Column("ratio", sa.Double),  # |current - reference| / |reference|; null if undefined
    sa.Column("limit_value", sa.Double, nullable=False),
    sa.Column("finding", sa.String(20), nullable=False),
    sa.Column("band", sa.Double),  # the ratio that sampling noise can reach; null if unknown
    sa.Column("error", sa.Double, nullable=False, server_default="0"),  # of ratio, at most
)

# One measure of one column in each comparison.
drift_measures = sa.Table(
    "drift_measures",
    metadata,
    sa.Column("report_id", Id, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    dataset_column(),
    sa.Column("column_name", sa.String(64), nullable=False),
    sa.Column("measure", sa.String(10), nullable=False),  # mix, new, nulls or shift
    sa.Column("reference_value", sa.Double),  # a share or a mean; null of a mix
    sa.Column("current_value", sa.Double),
    sa.Column("value", sa.Double),  # how far the two differ; null if undefined
    sa.Column("limit_value", sa.Double, nullable=False),
    sa.Column("finding", sa.String(20), nullable=False),
    sa.Column("band", sa.Double),  # the value that sampling noise can reach; null if unknown
    sa.Column("unseen", sa.Boolean, nullable=False),  # the reference never had such values
)

# Metrics of a version on one batch's held-out rows.
batch_scores = sa.Table(
    "batch_scores",
    metadata,
    dataset_column(key=True),
    sa.Column("batch_id", Id, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("metrics", sa.JSON, nullable=False),
    sa.Column("spread", sa.Double, nullable=False),  # standard deviation of the absolute error
    sa.Column("note", sa.String(500), nullable=False),
    sa.Column("scored_at", UtcDateTime, nullable=False),
    sa.Index("ix_batch_scores_version", "dataset", "version", "batch_id"),
)

# Metrics of a version on a batch that is newer than all its training batches.
forward_scores = sa.Table(
    "forward_scores",
    metadata,
    dataset_column(key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("batch_id", Id, primary_key=True, autoincrement=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("metrics", sa.JSON, nullable=False),
    sa.Column("coverage", sa.Double),  # share of rows in their interval; null without intervals
    sa.Column("note", sa.String(500), nullable=False),
    sa.Column("scored_at", UtcDateTime, nullable=False),
)

# The batches that each version was trained on.
trained_on = sa.Table(
    "trained_on",
    metadata,
    dataset_column(key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("batch_id", Id, primary_key=True, autoincrement=False, index=True),
)

# Limits set by operators; the newest per column and statistic wins, null is the dataset's.
drift_limits = sa.Table(
    "drift_limits",
    metadata,
    id_column(),
    dataset_column(),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("column_name", sa.String(64), nullable=False),
    sa.Column("statistic", sa.String(10), nullable=False),
    sa.Column("value", sa.Double),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("reason", LongText, nullable=False),
    sa.Index("ix_drift_limits_column_name", "dataset", "column_name", "statistic"),
)
