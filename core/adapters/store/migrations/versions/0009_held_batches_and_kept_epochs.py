"""Held batches, rows of earlier epochs, and what each version was trained on"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LONG = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

revision = "0009"
down_revision = "0008"

BATCHES: dict[str, sa.types.TypeEngine[Any]] = {
    "held_at": TIME,
    "held_by": sa.String(length=200),
    "hold_reason": LONG,
    "released_at": TIME,
    "rows_removed_at": TIME,
}


def upgrade() -> None:
    for name, kind in BATCHES.items():
        op.add_column("batches", sa.Column(name, kind, nullable=True))
    op.add_column("epochs", sa.Column("last_number", sa.Integer(), nullable=True))
    op.add_column("drift_reports", sa.Column("reference_id", ID, nullable=True))
    op.add_column(
        "drift_reports",
        sa.Column("note", sa.String(length=500), nullable=False, server_default=""),
    )
    op.create_table(
        "trained_on",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("batch_id", ID, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("version", "batch_id", name=op.f("pk_trained_on")),
    )
    op.create_index(op.f("ix_trained_on_batch_id"), "trained_on", ["batch_id"], unique=False)
    # Until now an epoch's rows were deleted when the next one began.
    op.execute(
        "UPDATE batches SET rows_removed_at = "
        "(SELECT e.started_at FROM epochs e WHERE e.number = batches.epoch + 1) "
        "WHERE state = 'STORED' AND epoch < (SELECT MAX(number) FROM epochs)"
    )
    op.execute(
        "UPDATE epochs SET last_number = (SELECT MAX(b.number) FROM batches b "
        "WHERE b.state = 'STORED' AND b.epoch = epochs.number) WHERE state = 'EXHAUSTED'"
    )
    op.execute(
        "UPDATE drift_reports SET reference_id = (SELECT MAX(b.id) FROM batches b "
        "WHERE b.state = 'STORED' AND b.id < drift_reports.batch_id) "
        "WHERE reference = 'previous' AND reference_name <> 'none'"
    )
    _fill_trained_on()


def _fill_trained_on() -> None:
    """Take the batches of each version from its first dossier, which its training made."""
    connection = op.get_bind()
    dossiers = sa.table("dossiers", *map(sa.column, ("digest", "version", "made_at", "content")))
    trained_on = sa.table("trained_on", sa.column("version"), sa.column("batch_id"))
    versions = connection.execute(sa.select(dossiers.c.version).distinct()).scalars().all()
    for version in versions:
        content = connection.execute(
            sa.select(dossiers.c.content)
            .where(dossiers.c.version == version)
            .order_by(dossiers.c.made_at, dossiers.c.digest)
            .limit(1)
        ).scalar_one()
        try:
            batches = {int(b["id"]) for b in json.loads(content).get("batches", [])}
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # the dossier was edited by hand and names no batches
        if batches:
            connection.execute(
                sa.insert(trained_on),
                [{"version": version, "batch_id": batch} for batch in sorted(batches)],
            )
