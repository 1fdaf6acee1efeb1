"""Tries of a batch, and answers whose fate is not known yet"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

BATCHES = sa.table(
    "batches",
    sa.column("id", sa.BigInteger),
    sa.column("state", sa.String),
    sa.column("content_hash", sa.String),
)


def upgrade() -> None:
    for name in ("tries", "excused"):
        op.add_column("batches", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    # Answers that broke off had the state of those that cannot be read, and no digest. What the
    # next batch said of them is not worked out afterwards: they stay lost, as they were counted.
    # Those after the last stored batch are still open.
    connection = op.get_bind()
    last = connection.execute(
        sa.select(sa.func.max(BATCHES.c.id)).where(BATCHES.c.state == "STORED")
    ).scalar()
    broken = sa.and_(BATCHES.c.state == "UNREADABLE", BATCHES.c.content_hash == "")
    for state, which in (
        ("LOST", BATCHES.c.id <= (last or 0)),
        ("INTERRUPTED", BATCHES.c.id > (last or 0)),
    ):
        connection.execute(sa.update(BATCHES).where(broken, which).values(state=state))
