"""Jobs, their log lines, and counts of their runs."""

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
from core.domain.jobs import JobKind, JobState

# Requested jobs. Redis holds only their ids.
jobs = sa.Table(
    "jobs",
    metadata,
    id_column(),
    dataset_column(),
    sa.Column("kind", Choice(JobKind), nullable=False),
    sa.Column("state", Choice(JobState), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),  # from 1, one more with each retry
    sa.Column("args", sa.JSON, nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("requested_at", UtcDateTime, nullable=False),
    sa.Column("started_at", UtcDateTime),
    sa.Column("finished_at", UtcDateTime),
    sa.Column("progress", sa.Double, nullable=False),  # from 0 to 1
    sa.Column("stage", sa.String(200), nullable=False),
    sa.Column("error", LongText, nullable=False),  # a sentence for the operator
    sa.Column("result", sa.JSON, nullable=False),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    sa.Column("lease_owner", sa.String(64)),  # the run that may write for this job
    sa.Column("lease_until", UtcDateTime),  # from then on another run may take over
    # Set while the job is open, so that a double click finds the first click's job.
    sa.Column("key", sa.String(64), nullable=False),
    sa.Column("active_key", sa.String(64)),
    sa.Index("ix_jobs_id", "dataset", "id"),
    sa.Index("ix_jobs_kind", "dataset", "kind"),
    # By state first: the queue asks for the open jobs of all datasets.
    sa.Index("ix_jobs_state", "state", "dataset"),
    sa.Index("ix_jobs_actor", "dataset", "actor"),
    sa.UniqueConstraint("dataset", "active_key", name="uq_jobs_active_key"),
)

# Log lines of jobs.
job_logs = sa.Table(
    "job_logs",
    metadata,
    id_column(),
    dataset_column(),
    sa.Column("job_id", Id, nullable=False, index=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("level", sa.String(10), nullable=False),
    sa.Column("message", LongText, nullable=False),
)

# Finished runs by result and duration: see `core.adapters.store.run_counts`.
job_tallies = sa.Table(
    "job_tallies",
    metadata,
    dataset_column(key=True),
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("result", sa.String(20), primary_key=True),
    sa.Column("up_to_ms", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("runs", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
)
