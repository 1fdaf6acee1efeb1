"""The audit events that still hold after restores, as conditions of a query."""

from __future__ import annotations

import sqlalchemy as sa

from core.adapters.store.tables import audit
from core.rules.ops.restored_trail import RESTORE, TRAIL, history


def in_force(connection: sa.Connection) -> list[sa.ColumnElement[bool]]:
    """A condition for each restore of one dataset, which leaves out what it made history."""
    a = audit.c
    query = sa.select(a.dataset, a.details, a.id).where(a.action == RESTORE)
    restores = [
        (row.dataset, int(row.details[TRAIL]), row.id)
        for row in connection.execute(query)
        if TRAIL in row.details
    ]
    return [
        ~sa.and_(a.dataset == past.dataset, a.id > past.after, a.id < past.before)
        for past in history(restores)
    ]
