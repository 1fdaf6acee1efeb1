"""A drift report refers to the champion it compares with by its version, not by a name"""

import re

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

REPORTS = sa.table(
    "drift_reports", *map(sa.column, ("reference", "reference_name", "reference_id"))
)
OF_CHAMPION = REPORTS.c.reference == "champion"


def upgrade() -> None:
    connection = op.get_bind()
    names = connection.execute(
        sa.select(REPORTS.c.reference_name).where(OF_CHAMPION).distinct()
    ).scalars()
    for name in names.all():
        if version := re.fullmatch(r"version (\d+)", name):
            connection.execute(
                sa.update(REPORTS)
                .where(OF_CHAMPION, REPORTS.c.reference_name == name)
                .values(reference_id=int(version[1]))
            )
