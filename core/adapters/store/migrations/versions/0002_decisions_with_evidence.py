"""Decisions with evidence: dossiers, force requests, follow-ups, and a chain over the audit"""

import hashlib
import json
from datetime import UTC

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from core.adapters.store.tables import UtcDateTime

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LONG = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

revision = "0002"
down_revision = "0001"

AUDIT = sa.table(
    "audit",
    sa.column("id", ID),
    sa.column("at", UtcDateTime()),
    sa.column("actor", sa.String),
    sa.column("action", sa.String),
    sa.column("subject", sa.String),
    sa.column("reason", sa.Text),
    sa.column("details", sa.JSON),
    sa.column("hash", sa.String),
)


def upgrade() -> None:
    op.add_column(
        "promotions",
        sa.Column("dossier_digest", sa.String(length=64), server_default="", nullable=False),
    )
    op.add_column(
        "audit", sa.Column("hash", sa.String(length=64), server_default="", nullable=False)
    )
    op.create_index(op.f("ix_audit_actor"), "audit", ["actor"])
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_id", ID, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    last, digest = _chain(op.get_bind())
    op.bulk_insert(head, [{"id": 1, "last_id": last, "hash": digest}])
    op.create_table(
        "dossiers",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("content", LONG, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_dossiers")),
    )
    op.create_index(op.f("ix_dossiers_version"), "dossiers", ["version"])
    op.create_table(
        "force_requests",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reason", LONG, nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("asked_by", sa.String(length=200), nullable=False),
        sa.Column("closed_at", TIME, nullable=True),
        sa.Column("closed_by", sa.String(length=200), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("open_key", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_force_requests")),
        sa.UniqueConstraint("open_key", name=op.f("uq_force_requests_open_key")),
    )
    op.create_index(op.f("ix_force_requests_version"), "force_requests", ["version"])
    op.create_table(
        "follow_ups",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=False),
        sa.Column("text", LONG, nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("opened_by", sa.String(length=200), nullable=False),
        sa.Column("closed_at", TIME, nullable=True),
        sa.Column("closed_by", sa.String(length=200), nullable=False),
        sa.Column("note", LONG, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follow_ups")),
    )
    op.create_index(op.f("ix_follow_ups_subject"), "follow_ups", ["subject"])
    op.create_index(op.f("ix_follow_ups_closed_at"), "follow_ups", ["closed_at"])


def _chain(connection: sa.Connection) -> tuple[int, str]:
    """Number the events of before without a hole, and chain them."""
    before, last = "0" * 64, 0
    for row in connection.execute(sa.select(AUDIT).order_by(AUDIT.c.id)).all():
        last += 1
        content = json.dumps(
            [before, last, row.at.astimezone(UTC).isoformat(timespec="microseconds"), row.actor,
             row.action, row.subject, row.reason, row.details],
            sort_keys=True, ensure_ascii=False, separators=(",", ":"),
        )  # fmt: skip
        before = hashlib.sha256(content.encode()).hexdigest()
        connection.execute(
            sa.update(AUDIT).where(AUDIT.c.id == row.id).values(id=last, hash=before)
        )
    return last, before
