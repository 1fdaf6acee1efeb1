"""The tables, as SQLAlchemy describes them: what MySQL owns.

Fixed tables are made by the migrations in `core/store/migrations`; the rows table and the
view `data_comp` follow from the dataset and are made by `core.store.schema.prepare`.
Only types that SQLite, MySQL 8 and MariaDB share are used.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from core.contract import LONGEST_TEXT
from core.dataset import STATISTICS, ColumnType, Dataset


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """Aware UTC datetimes, kept to the microsecond without a zone."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """MySQL drops microseconds unless it is told to keep six digits."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(sa.DateTime())

    def process_bind_param(
        self,
        value: datetime | None,
        dialect: sa.Dialect,  # noqa: ARG002 - SQLAlchemy's signature
    ) -> datetime | None:
        """Store UTC; a naive datetime is a mistake of ours."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a zone reached the database")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(
        self,
        value: datetime | None,
        dialect: sa.Dialect,  # noqa: ARG002 - SQLAlchemy's signature
    ) -> datetime | None:
        """Hand out aware UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Long = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _id() -> sa.Column[int]:
    return sa.Column("id", _Id, primary_key=True, autoincrement=True)


# One run through the source's batches, from a restart to the next.
epochs = sa.Table(
    "epochs",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
)

# The ledger: every answer of the data API, from its bytes to its rows.
batches = sa.Table(
    "batches",
    metadata,
    _id(),
    sa.Column("epoch", sa.Integer, nullable=False, index=True),
    sa.Column("state", sa.String(20), nullable=False, index=True),
    sa.Column("number", sa.Integer),  # the API's batch_number; null until it is read
    sa.Column("content_hash", sa.String(64), nullable=False),  # SHA-256 of the bytes, in hex
    sa.Column("spool", sa.String(255), nullable=False),  # the file in DATA_DIR/spool
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False, default=0),
    sa.Column("stored", sa.Integer, nullable=False, default=0),
    sa.Column("quarantined", sa.Integer, nullable=False, default=0),
    sa.Column("gap", sa.Integer, nullable=False, default=0),  # numbers skipped just before it
    sa.Column("note", _Long, nullable=False),
    sa.Column("stored_at", UtcDateTime),
    # "epoch:number" of a stored batch: the same number is never stored twice in an epoch.
    sa.Column("stored_key", sa.String(32), unique=True),
)

# Rows that could not be stored, as they came, with every rule they broke.
quarantine = sa.Table(
    "quarantine",
    metadata,
    _id(),
    sa.Column("batch_id", _Id, nullable=False, index=True),
    sa.Column("row_number", sa.Integer, nullable=False),
    sa.Column("reason", sa.String(500), nullable=False),
    sa.Column("content", _Long, nullable=False),
)

# What is kept of a column once its rows are gone: of each batch, and of what a model learned from.
column_profiles = sa.Table(
    "column_profiles",
    metadata,
    _id(),
    sa.Column("owner", sa.String(10), nullable=False),  # batch or model
    sa.Column("owner_id", _Id, nullable=False),  # the batch's id or the model's version
    sa.Column("column_name", sa.String(64), nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("nulls", sa.Integer, nullable=False),
    sa.Column("mean", sa.Double),
    sa.Column("std", sa.Double),
    sa.Column("q50", sa.Double),
    sa.Column("q75", sa.Double),
    sa.Column("minimum", sa.Double),
    sa.Column("maximum", sa.Double),
    sa.Column("grid", sa.JSON, nullable=False),  # 101 quantiles, of numbers
    sa.Column("categories", sa.JSON, nullable=False),  # counts of the commonest values, of text
    sa.Column("distinct_values", sa.Integer, nullable=False),  # how many values there are in all
    sa.Column("tails", sa.JSON(none_as_null=True)),  # null in profiles from before there were any
    sa.UniqueConstraint("owner", "owner_id", "column_name"),
)

# Comparisons of a batch with the batch before, and with the rows that the champion learned from.
drift_reports = sa.Table(
    "drift_reports",
    metadata,
    _id(),
    sa.Column("batch_id", _Id, nullable=False, index=True),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("batch_number", sa.Integer, nullable=False),
    sa.Column("reference", sa.String(20), nullable=False),
    sa.Column("reference_name", sa.String(64), nullable=False),  # such as "epoch 1, batch 3"
    sa.Column("retrain", sa.Boolean, nullable=False),  # whether it asks for training
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False, index=True),
    sa.Column("advice", sa.JSON(none_as_null=True)),  # with the report on the batch before
    sa.UniqueConstraint("batch_id", "reference", "reference_name"),
)

# What each comparison found: one statistic of one column, then and now.
drift_stats = sa.Table(
    "drift_stats",
    metadata,
    sa.Column("report_id", _Id, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("column_name", sa.String(64), nullable=False),
    sa.Column("statistic", sa.String(10), nullable=False),  # mean, std, 50 or 75
    sa.Column("reference_value", sa.Double),
    sa.Column("current_value", sa.Double),
    sa.Column("ratio", sa.Double),  # |current - reference| / |reference|; null if undefined
    sa.Column("limit_value", sa.Double, nullable=False),
    sa.Column("finding", sa.String(20), nullable=False),
    sa.Column("band", sa.Double),  # how large the ratio gets by drawing alone; null if not known
)

# How one version does on one batch's held-out rows.
batch_scores = sa.Table(
    "batch_scores",
    metadata,
    sa.Column("batch_id", _Id, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("metrics", sa.JSON, nullable=False),
    sa.Column("spread", sa.Double, nullable=False),  # standard deviation of the absolute error
    sa.Column("note", sa.String(500), nullable=False),
    sa.Column("scored_at", UtcDateTime, nullable=False),
)

# Limits that an operator set; the newest of a column and statistic wins, null is the dataset's.
drift_limits = sa.Table(
    "drift_limits",
    metadata,
    _id(),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("column_name", sa.String(64), nullable=False),
    sa.Column("statistic", sa.String(10), nullable=False),
    sa.Column("value", sa.Double),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("reason", _Long, nullable=False),
    sa.Index("ix_drift_limits_column_name", "column_name", "statistic"),
)

# What was asked for. Redis holds only ids that point here.
jobs = sa.Table(
    "jobs",
    metadata,
    _id(),
    sa.Column("kind", sa.String(20), nullable=False, index=True),
    sa.Column("state", sa.String(20), nullable=False, index=True),
    sa.Column("attempt", sa.Integer, nullable=False),  # from 1, one more with each retry
    sa.Column("args", sa.JSON, nullable=False),
    sa.Column("actor", sa.String(200), nullable=False, index=True),
    sa.Column("requested_at", UtcDateTime, nullable=False),
    sa.Column("started_at", UtcDateTime),
    sa.Column("finished_at", UtcDateTime),
    sa.Column("progress", sa.Double, nullable=False),  # from 0 to 1
    sa.Column("stage", sa.String(200), nullable=False),
    sa.Column("error", _Long, nullable=False),  # a sentence for the operator
    sa.Column("result", sa.JSON, nullable=False),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    sa.Column("lease_owner", sa.String(64)),  # the run that may write for this job
    sa.Column("lease_until", UtcDateTime),  # from then on another run may take over
    # Set while the job is not over, so that a double click finds the first click's job.
    sa.Column("key", sa.String(64), nullable=False),
    sa.Column("active_key", sa.String(64), unique=True),
)

# The lines that a job wrote while it ran.
job_logs = sa.Table(
    "job_logs",
    metadata,
    _id(),
    sa.Column("job_id", _Id, nullable=False, index=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("level", sa.String(10), nullable=False),
    sa.Column("message", _Long, nullable=False),
)

# Runs that ended, by how and how long: see `core.store.tallies`.
job_tallies = sa.Table(
    "job_tallies",
    metadata,
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("result", sa.String(20), primary_key=True),
    sa.Column("up_to_ms", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("runs", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
)

# Each version's way to serving, with the short form of the evidence.
promotions = sa.Table(
    "promotions",
    metadata,
    _id(),
    sa.Column("version", sa.Integer, nullable=False, unique=True),
    sa.Column("state", sa.String(20), nullable=False, index=True),
    sa.Column("recommended", sa.Boolean, nullable=False),  # by the rule, whoever decides
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("dossier", sa.JSON, nullable=False),
    sa.Column("proposed_at", UtcDateTime, nullable=False),
    sa.Column("proposed_by", sa.String(200), nullable=False),
    sa.Column("forced", sa.Boolean, nullable=False),  # by force or rollback
    sa.Column("reason", _Long, nullable=False),
    sa.Column("decided_at", UtcDateTime),
    sa.Column("decided_by", sa.String(200), nullable=False),
    sa.Column("live_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("failure", _Long, nullable=False),  # why it did not come to be served
    sa.Column("dossier_digest", sa.String(64), nullable=False, server_default=""),  # dossiers
    # True for the one that is live, null for all others: two can never be live at once.
    sa.Column("live_key", sa.Boolean, unique=True),
)

# Who did what to which subject, when and why. Rows are added and never changed.
audit = sa.Table(
    "audit",
    metadata,
    _id(),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("actor", sa.String(200), nullable=False, index=True),
    sa.Column("action", sa.String(40), nullable=False, index=True),
    sa.Column("subject", sa.String(100), nullable=False, index=True),  # such as version:3
    sa.Column("reason", _Long, nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, server_default=""),  # with the one before
)

# The last event's id and hash: whoever adds an event locks this one row, so the chain never forks.
audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("last_id", _Id, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

# The whole evidence about a version, as the text whose SHA-256 is the digest.
dossiers = sa.Table(
    "dossiers",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False, index=True),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("content", _Long, nullable=False),
)

# Forces that one person asked for and that another must confirm.
force_requests = sa.Table(
    "force_requests",
    metadata,
    _id(),
    sa.Column("version", sa.Integer, nullable=False, index=True),
    sa.Column("reason", _Long, nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("asked_by", sa.String(200), nullable=False),
    sa.Column("closed_at", UtcDateTime),
    sa.Column("closed_by", sa.String(200), nullable=False),
    sa.Column("outcome", sa.String(20), nullable=False),  # empty, confirmed or withdrawn
    # The version while the request is open: two cannot be open for one version.
    sa.Column("open_key", sa.Integer, unique=True),
)

# What somebody must still look at, because a decision went against the recommendation.
follow_ups = sa.Table(
    "follow_ups",
    metadata,
    _id(),
    sa.Column("subject", sa.String(100), nullable=False, index=True),
    sa.Column("text", _Long, nullable=False),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("opened_by", sa.String(200), nullable=False),
    sa.Column("closed_at", UtcDateTime, index=True),
    sa.Column("closed_by", sa.String(200), nullable=False),
    sa.Column("note", _Long, nullable=False),
)

# What was asked of serving and what it answered.
predictions = sa.Table(
    "predictions",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("model_version", sa.Integer, nullable=False),
    sa.Column("inputs", sa.JSON, nullable=False),
    sa.Column("prediction", sa.Double, nullable=False),
    # What was said beside the prediction: its range, and what pushed it where that was asked.
    sa.Column("answer", sa.JSON(none_as_null=True)),
    # Newest first, page by page: of all, and of one version.
    sa.Index("ix_predictions_at_id", "at", "id"),
    sa.Index("ix_predictions_version_at_id", "model_version", "at", "id"),
)

# What an answer should have been, as somebody told us later; the newest of a prediction counts.
# The prediction may be recorded after it, or never.
feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("prediction_id", sa.String(36), nullable=False, index=True),
    sa.Column("actual", sa.Double, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("source", sa.String(200), nullable=False),  # the API key's name; empty without one
)

# Every running process of serving, as it says itself; one that is not heard any more is gone.
replicas = sa.Table(
    "replicas",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),  # new with each start
    sa.Column("url", sa.String(255), nullable=False),
    sa.Column("model_version", sa.Integer),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("refused", _Long, nullable=False),  # the version it would not take, and why
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("heard_at", UtcDateTime, nullable=False, index=True),
)

# Requests in the order in which they were answered, cut into windows, each profiled and compared
# with the rows that the champion of its end was trained on.
live_windows = sa.Table(
    "live_windows",
    metadata,
    _id(),
    sa.Column("model_version", sa.Integer, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime, nullable=False),
    # Where the next one begins; unique, so that two who cut at once make one window.
    sa.Column("last_id", sa.String(36), nullable=False, unique=True),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("unreadable", sa.Integer, nullable=False),  # rows that serving would refuse
    sa.Column("drifted", sa.Boolean, nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("changes", sa.JSON, nullable=False),
    sa.Column("profiles", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

# What is queued by itself, again and again.
schedules = sa.Table(
    "schedules",
    metadata,
    _id(),
    sa.Column("cron", sa.String(100), nullable=False),  # five fields, in the zone
    sa.Column("zone", sa.String(64), nullable=False),
    sa.Column("task", sa.String(20), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("next_run_at", UtcDateTime, index=True),  # null while it is paused
    sa.Column("last_run_at", UtcDateTime),
    sa.Column("last_job_id", _Id),
    sa.Column("note", _Long, nullable=False),
)

# The outbox: a row is written with what it tells of, and posted afterwards.
notifications = sa.Table(
    "notifications",
    metadata,
    _id(),
    sa.Column("uid", sa.String(36), nullable=False, unique=True),  # the header webhook-id
    sa.Column("event", sa.String(20), nullable=False),
    sa.Column("subject", sa.String(100), nullable=False),
    sa.Column("text", _Long, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("state", sa.String(20), nullable=False, index=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", UtcDateTime, nullable=False),
    sa.Column("delivered_at", UtcDateTime),
    sa.Column("failure", _Long, nullable=False),
)


def rows_table(dataset: Dataset) -> sa.Table:
    """The table of this dataset's rows, in a metadata of its own."""
    kinds: dict[ColumnType, sa.types.TypeEngine[Any]] = {
        ColumnType.NUMBER: sa.Double(),
        ColumnType.CATEGORY: sa.String(LONGEST_TEXT),
        ColumnType.CODE: sa.String(LONGEST_TEXT),
        ColumnType.DATE: sa.Date(),
    }
    return sa.Table(
        dataset.rows_table,
        sa.MetaData(),
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("batch_id", _Id, nullable=False, index=True),
        sa.Column("row_number", sa.Integer, nullable=False),
        sa.Column("held_out", sa.Boolean, nullable=False),
        *(sa.Column(c.name, kinds[c.type], nullable=c.nullable) for c in dataset.columns),
        mysql_charset="utf8mb4",
    )


def data_comp(dataset: Dataset) -> sa.Select[Any]:
    """The original's wide comparison table, as a query: one row a batch, `price_mean` and so on."""
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
    return (
        sa.select(report.epoch, report.batch_number, *ratios, report.retrain, report.created_at)
        .select_from(drift_reports)
        .outerjoin(drift_stats, drift_stats.c.report_id == report.id)
        .where(report.reference == sa.literal_column("'previous'"))
        .group_by(report.id, report.epoch, report.batch_number, report.retrain, report.created_at)
    )
