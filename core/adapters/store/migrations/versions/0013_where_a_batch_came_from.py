"""Which file or query a batch came from, how it is written, and how far the query has read"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

COLUMNS = (("origin", 1000, ""), ("format", 20, "json"), ("watermark", 100, ""))


def upgrade() -> None:
    for name, length, before in COLUMNS:
        column = sa.Column(name, sa.String(length), nullable=False, server_default=before)
        op.add_column("batches", column)
