"""Promotions, their evidence, and the audit trail."""

from __future__ import annotations

import sqlalchemy as sa

from core.adapters.store.scope import dataset_column
from core.adapters.store.tables.types import Choice, Id, LongText, UtcDateTime, id_column, metadata
from core.domain.promotions import Cause

# The promotion of each version, with a summary of its evidence.
promotions = sa.Table(
    "promotions",
    metadata,
    id_column(),
    dataset_column(),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("recommended", sa.Boolean, nullable=False),  # by the rule, whoever decides
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("dossier", sa.JSON, nullable=False),
    sa.Column("proposed_at", UtcDateTime, nullable=False),
    sa.Column("proposed_by", sa.String(200), nullable=False),
    sa.Column("forced", sa.Boolean, nullable=False),  # by force; a rollback is not
    sa.Column("reason", LongText, nullable=False),
    sa.Column("decided_at", UtcDateTime),
    sa.Column("decided_by", sa.String(200), nullable=False),
    sa.Column("live_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("failure", LongText, nullable=False),  # why it did not go live
    sa.Column("dossier_digest", sa.String(64), nullable=False, server_default=""),  # dossiers
    # The last decision, as the audit trail names it; empty for a candidate.
    sa.Column("decided_as", sa.String(20), nullable=False, server_default=""),
    # True for the live version, null for others, so that two can never be live.
    sa.Column("live_key", sa.Boolean),
    sa.Index("ix_promotions_state", "dataset", "state"),
    sa.UniqueConstraint("dataset", "version", name="uq_promotions_version"),
    sa.UniqueConstraint("dataset", "live_key", name="uq_promotions_live_key"),
)

# Who did what to which subject, when and why. Append-only.
audit = sa.Table(
    "audit",
    metadata,
    id_column(),
    dataset_column(),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("action", sa.String(40), nullable=False),
    sa.Column("subject", sa.String(100), nullable=False),  # such as version:3
    sa.Column("reason", LongText, nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column(
        "hash", sa.String(64), nullable=False, server_default=""
    ),  # chained to the previous one
    sa.Index("ix_audit_id", "dataset", "id"),
    sa.Index("ix_audit_at", "dataset", "at"),
    sa.Index("ix_audit_actor", "dataset", "actor"),
    sa.Index("ix_audit_action", "dataset", "action"),
    sa.Index("ix_audit_subject", "dataset", "subject"),
)

# The last event's id and hash; adding an event locks this row, so the chain never forks.
audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("last_id", Id, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

# The full evidence about a version, as the text whose SHA-256 is the digest.
dossiers = sa.Table(
    "dossiers",
    metadata,
    dataset_column(key=True),
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("content", LongText, nullable=False),
    sa.Index("ix_dossiers_version", "dataset", "version"),
)

# Forces that one person requested and another must confirm.
force_requests = sa.Table(
    "force_requests",
    metadata,
    id_column(),
    dataset_column(),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("reason", LongText, nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("asked_by", sa.String(200), nullable=False),
    sa.Column("closed_at", UtcDateTime),
    sa.Column("closed_by", sa.String(200), nullable=False),
    sa.Column(
        "outcome", sa.String(20), nullable=False
    ),  # empty, confirmed, withdrawn or superseded
    # The version while the request is open: two cannot be open for one version.
    sa.Column("open_key", sa.Integer),
    # The dossier that the first person decided on; empty where there was none.
    sa.Column("dossier_digest", sa.String(64), nullable=False, server_default=""),
    sa.Index("ix_force_requests_version", "dataset", "version"),
    sa.UniqueConstraint("dataset", "open_key", name="uq_force_requests_open_key"),
)

# Open tasks about versions that were forced, or were trained on a batch that is held.
follow_ups = sa.Table(
    "follow_ups",
    metadata,
    id_column(),
    dataset_column(),
    sa.Column("subject", sa.String(100), nullable=False),
    sa.Column("text", LongText, nullable=False),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("opened_by", sa.String(200), nullable=False),
    sa.Column("closed_at", UtcDateTime),
    sa.Column("closed_by", sa.String(200), nullable=False),
    sa.Column("note", LongText, nullable=False),
    sa.Column("cause", Choice(Cause)),  # forced or held; null for those from before it was kept
    sa.Index("ix_follow_ups_subject", "dataset", "subject"),
    sa.Index("ix_follow_ups_closed_at", "dataset", "closed_at"),
)
