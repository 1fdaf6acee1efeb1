"""Tails of profiles, bands and advice of reports, scores by batch, limits on record"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LONG = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("column_profiles", sa.Column("tails", sa.JSON(), nullable=True))
    op.add_column("drift_reports", sa.Column("advice", sa.JSON(), nullable=True))
    op.add_column("drift_stats", sa.Column("band", sa.Double(), nullable=True))
    op.create_table(
        "batch_scores",
        sa.Column("batch_id", ID, autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("spread", sa.Double(), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("scored_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "version", name=op.f("pk_batch_scores")),
    )
    op.create_table(
        "drift_limits",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("column_name", sa.String(length=64), nullable=False),
        sa.Column("statistic", sa.String(length=10), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("reason", LONG, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drift_limits")),
    )
    op.create_index(
        op.f("ix_drift_limits_column_name"),
        "drift_limits",
        ["column_name", "statistic"],
        unique=False,
    )
