"""Who asked for each prediction; of earlier ones it is not known"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    # MySQL commits with each statement: a killed run is completed by the next one.
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("predictions")}
    if "caller" not in there:
        op.add_column("predictions", sa.Column("caller", sa.String(length=200), nullable=True))
