"""What was answered beside a prediction, and indexes to page through them newest first"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("predictions", sa.Column("answer", sa.JSON(), nullable=True))
    op.create_index("ix_predictions_at_id", "predictions", ["at", "id"], unique=False)
    op.create_index(
        "ix_predictions_version_at_id", "predictions", ["model_version", "at", "id"], unique=False
    )
    op.drop_index(op.f("ix_predictions_at"), table_name="predictions")
