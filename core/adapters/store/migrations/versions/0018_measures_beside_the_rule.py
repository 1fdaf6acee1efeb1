"""Measures beside the drift rule: of categories, empty values and shifts of means"""

import sqlalchemy as sa
from alembic import op

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("drift_reports", sa.Column("measure_reasons", sa.JSON(), nullable=True))
    op.add_column("live_windows", sa.Column("measure_reasons", sa.JSON(), nullable=True))
    op.add_column("live_windows", sa.Column("measures", sa.JSON(), nullable=True))
    op.create_table(
        "drift_measures",
        sa.Column("report_id", ID, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("column_name", sa.String(length=64), nullable=False),
        sa.Column("measure", sa.String(length=10), nullable=False),
        sa.Column("reference_value", sa.Double(), nullable=True),
        sa.Column("current_value", sa.Double(), nullable=True),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("limit_value", sa.Double(), nullable=False),
        sa.Column("finding", sa.String(length=20), nullable=False),
        sa.Column("band", sa.Double(), nullable=True),
        sa.Column("unseen", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("report_id", "position", name=op.f("pk_drift_measures")),
    )
