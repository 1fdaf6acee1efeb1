"""Batches from the source: epochs, the ledger, quarantined rows, profiles."""

from __future__ import annotations

import sqlalchemy as sa

from core.adapters.store.scope import dataset_column
from core.adapters.store.tables.types import (
    Choice,
    Id,
    LongText,
    UtcDateTime,
    id_column,
    metadata,
)
from core.domain.batches import BatchState, EpochState
from core.domain.sources import Format

# One pass through the source's batches, from a restart to the next.
epochs = sa.Table(
    "epochs",
    metadata,
    dataset_column(key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", Choice(EpochState), nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    # The source's last batch_number; null until the source has reported its end.
    sa.Column("last_number", sa.Integer),
)

# The ledger: every answer of the source.
batches = sa.Table(
    "batches",
    metadata,
    id_column(),
    dataset_column(),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("state", Choice(BatchState), nullable=False),
    sa.Column("number", sa.Integer),  # in its epoch; null until it is known
    sa.Column("content_hash", sa.String(64), nullable=False),  # SHA-256 of the bytes, in hex
    sa.Column("spool", sa.String(255), nullable=False),  # the file in DATA_DIR/spool
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False, default=0),
    sa.Column("stored", sa.Integer, nullable=False, default=0),
    sa.Column("quarantined", sa.Integer, nullable=False, default=0),
    # Stored rows that were in quarantine first.
    sa.Column("read_again", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("gap", sa.Integer, nullable=False, default=0),  # numbers skipped just before it
    sa.Column("note", LongText, nullable=False),
    sa.Column("stored_at", UtcDateTime),
    # "epoch:number" of a stored batch: the same number is never stored twice in an epoch.
    sa.Column("stored_key", sa.String(32)),
    # Attempts to store it, counted before each starts, and those that a transient cause ended.
    sa.Column("tries", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("excused", sa.Integer, nullable=False, default=0, server_default="0"),
    # While held, it is excluded from references, error measurement and training.
    sa.Column("held_at", UtcDateTime),
    sa.Column("held_by", sa.String(200)),
    sa.Column("hold_reason", LongText),
    sa.Column("released_at", UtcDateTime),  # when a person released it last
    sa.Column("rows_removed_at", UtcDateTime),  # its rows are no longer in the rows table
    # The file or query that it came from, how it is written, and how far the query has read or
    # which version of the file it is. Empty for a data API.
    sa.Column("origin", sa.String(1000), nullable=False, default="", server_default=""),
    sa.Column("format", Choice(Format), nullable=False, default=Format.JSON, server_default="json"),
    sa.Column("watermark", sa.String(100), nullable=False, default="", server_default=""),
    sa.Index("ix_batches_id", "dataset", "id"),
    sa.Index("ix_batches_epoch", "dataset", "epoch"),
    sa.Index("ix_batches_state", "dataset", "state"),
    sa.UniqueConstraint("dataset", "stored_key", name="uq_batches_stored_key"),
)

# Invalid rows as they arrived, with every rule that they break.
quarantine = sa.Table(
    "quarantine",
    metadata,
    id_column(),
    dataset_column(),
    sa.Column("batch_id", Id, nullable=False, index=True),
    sa.Column("row_number", sa.Integer, nullable=False),
    sa.Column("reason", sa.String(500), nullable=False),
    sa.Column("content", LongText, nullable=False),
)

# Statistics of columns that outlive the rows: of each batch, and of a model's training rows.
column_profiles = sa.Table(
    "column_profiles",
    metadata,
    id_column(),
    dataset_column(),
    sa.Column("owner", sa.String(10), nullable=False),  # batch or model
    sa.Column("owner_id", Id, nullable=False),  # the batch's id or the model's version
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
    sa.Column("categories", sa.JSON, nullable=False),  # counts of the most common values, of text
    sa.Column("distinct_values", sa.Integer, nullable=False),  # number of distinct values
    sa.Column("tails", sa.JSON(none_as_null=True)),  # null in old profiles
    sa.Column("error", sa.Double, nullable=False, server_default="0"),  # relative; 0 is exact
    sa.UniqueConstraint(
        "dataset", "owner", "owner_id", "column_name", name="uq_column_profiles_owner"
    ),
)
