"""A force that waits for a second person names the dossier that the first one saw"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column(
        "force_requests",
        sa.Column("dossier_digest", sa.String(length=64), nullable=False, server_default=""),
    )
    # What was seen is not known of requests that are open now; from here on a change is noticed.
    op.execute(
        "UPDATE force_requests SET dossier_digest = COALESCE((SELECT p.dossier_digest FROM "
        "promotions p WHERE p.version = force_requests.version), '') WHERE open_key IS NOT NULL"
    )
