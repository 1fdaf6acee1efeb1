"""Runs of jobs that ended, as sums that only grow"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "job_tallies",
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("result", sa.String(length=20), nullable=False),
        sa.Column("up_to_ms", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "result", "up_to_ms", name=op.f("pk_job_tallies")),
    )
    # Jobs from before are counted as they stand; how long each run took is not made up for.
    op.execute(
        "INSERT INTO job_tallies (kind, result, up_to_ms, runs, seconds) "
        "SELECT kind, LOWER(state), -1, COUNT(*), 0 FROM jobs "
        "WHERE active_key IS NULL GROUP BY kind, LOWER(state)"
    )
