"""How far the quantiles of a large batch are off at most; those of all earlier ones are exact"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

TABLES = ("column_profiles", "drift_stats")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("error", sa.Double(), nullable=False, server_default="0"))
