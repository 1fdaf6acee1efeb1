"""The known datasets, schedules, the outbox of notifications, and the deliveries of events."""

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
from core.rules.ops.notification import Delivery, Event
from core.rules.ops.schedule import Task

# The datasets that the desk has seen. A disabled one runs nothing.
datasets = sa.Table(
    "datasets",
    metadata,
    sa.Column("name", sa.String(48), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),  # SHA-256 of the dataset file, in hex
    sa.Column("seen_at", UtcDateTime, nullable=False),  # when a file of that digest was seen first
    sa.Column("disabled_at", UtcDateTime),
    sa.Column("disabled_by", sa.String(200), nullable=False),
    sa.Column("reason", LongText, nullable=False),
)

# Jobs that are queued repeatedly.
schedules = sa.Table(
    "schedules",
    metadata,
    id_column(),
    dataset_column(),
    sa.Column("cron", sa.String(100), nullable=False),  # five fields, in the zone
    sa.Column("zone", sa.String(64), nullable=False),
    sa.Column("task", Choice(Task), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("next_run_at", UtcDateTime),  # null while it is paused
    sa.Column("last_run_at", UtcDateTime),
    sa.Column("last_job_id", Id),
    sa.Column("note", LongText, nullable=False),
    sa.Index("ix_schedules_next_run_at", "dataset", "next_run_at"),
)

# The outbox: written in the event's transaction, posted afterwards.
notifications = sa.Table(
    "notifications",
    metadata,
    id_column(),
    dataset_column(),
    sa.Column("uid", sa.String(36), nullable=False, unique=True),  # the header webhook-id
    sa.Column("event", Choice(Event), nullable=False),
    sa.Column("subject", sa.String(100), nullable=False),
    sa.Column("text", LongText, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("state", Choice(Delivery), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", UtcDateTime, nullable=False),
    sa.Column("delivered_at", UtcDateTime),
    sa.Column("failure", LongText, nullable=False),
    sa.Index("ix_notifications_id", "dataset", "id"),
    sa.Index("ix_notifications_state", "dataset", "state"),
)

# Events that were accepted lately, so that none is accepted twice.
deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),  # SHA-256 of the delivery's id, in hex
    sa.Column("received_at", UtcDateTime, nullable=False, index=True),
)
