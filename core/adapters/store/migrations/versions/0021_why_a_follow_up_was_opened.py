"""Why each follow-up was opened; of earlier ones it is not known, so only a person closes them"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    # MySQL commits with each statement: a killed run is completed by the next one.
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("follow_ups")}
    if "cause" not in there:
        op.add_column("follow_ups", sa.Column("cause", sa.String(length=20), nullable=True))
