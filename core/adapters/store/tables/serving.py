"""What serving answers: predictions, feedback, replicas, windows of live traffic."""

from __future__ import annotations

import sqlalchemy as sa

from core.adapters.store.scope import dataset_column
from core.adapters.store.tables.types import LongText, UtcDateTime, id_column, metadata
from core.domain.serving_tables import FEEDBACK, PREDICTIONS, REPLICAS

# Predictions of serving, with their inputs.
predictions = sa.Table(
    PREDICTIONS.name,
    metadata,
    dataset_column(),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("model_version", sa.Integer, nullable=False),
    sa.Column("inputs", sa.JSON, nullable=False),
    sa.Column("prediction", sa.Double, nullable=False),
    # The interval, or label, probabilities and set; and feature contributions if requested.
    sa.Column("answer", sa.JSON(none_as_null=True)),
    # Who asked: the API key's name, and the stated actor; empty without, null in older rows.
    sa.Column("caller", sa.String(200)),
)
# For searches by the beginning of an id.
sa.Index("ix_predictions_id", predictions.c.dataset, predictions.c.id)
# For pages, newest first, of all and of one version. The second begins with the version, so that
# SQLite does not take it for the first.
sa.Index("ix_predictions_at_id", predictions.c.dataset, predictions.c.at, predictions.c.id)
sa.Index(
    "ix_predictions_version_at_id",
    predictions.c.model_version,
    predictions.c.dataset,
    predictions.c.at,
    predictions.c.id,
)

# Reported actual values, or labels; the newest of a prediction counts. The prediction may be
# recorded later, or never.
feedback = sa.Table(
    FEEDBACK.name,
    metadata,
    dataset_column(),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("prediction_id", sa.String(36), nullable=False, index=True),
    sa.Column("actual", sa.Double),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("source", sa.String(200), nullable=False),  # the API key's name; empty without one
    sa.Column("label", sa.Text),
    sa.Index("ix_feedback_at", "dataset", "at"),
)

# Self-reported processes of serving, each with a row per dataset; one without recent reports is
# gone.
replicas = sa.Table(
    REPLICAS.name,
    metadata,
    dataset_column(key=True),
    sa.Column("id", sa.String(36), primary_key=True),  # new with each start
    sa.Column("url", sa.String(255), nullable=False),
    sa.Column("model_version", sa.Integer),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("refused", LongText, nullable=False),  # the version that it refused, and why
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("heard_at", UtcDateTime, nullable=False),
    sa.Index("ix_replicas_heard_at", "dataset", "heard_at"),
)

# Windows of consecutive predictions, each profiled and compared with the training rows of the
# version that was champion at its end.
live_windows = sa.Table(
    "live_windows",
    metadata,
    id_column(),
    dataset_column(),
    sa.Column("model_version", sa.Integer, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime, nullable=False),
    # The next window starts after it; unique, so that concurrent processes make one window.
    sa.Column("last_id", sa.String(36), nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("unreadable", sa.Integer, nullable=False),  # rows that serving would refuse
    sa.Column("drifted", sa.Boolean, nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("changes", sa.JSON, nullable=False),
    sa.Column("measure_reasons", sa.JSON(none_as_null=True)),  # null in older windows
    sa.Column("measures", sa.JSON(none_as_null=True)),
    sa.Column("profiles", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Index("ix_live_windows_id", "dataset", "id"),
    sa.UniqueConstraint("dataset", "last_id", name="uq_live_windows_last_id"),
)
