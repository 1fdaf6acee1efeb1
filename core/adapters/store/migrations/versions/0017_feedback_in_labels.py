"""Feedback on a classifier is a label; of such feedback there is no actual number"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    with op.batch_alter_table("feedback") as feedback:
        feedback.add_column(sa.Column("label", sa.Text()))
        feedback.alter_column("actual", existing_type=sa.Double(), nullable=True)
