"""The audit trail: written in the same transaction as what it tells of."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.records import AuditEvent
from core.tables import audit


class Audit:
    """Who did what, when and why. Rows are added and never changed."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def add(
        self,
        actor: str,
        action: str,
        subject: str,
        *,
        reason: str = "",
        details: dict[str, Any] | None = None,
    ) -> None:
        """Put one act on record; `subject` is a kind and an id, such as `job:12`."""
        self._connection.execute(
            sa.insert(audit).values(
                at=self._now,
                actor=actor[:200],
                action=action,
                subject=subject,
                reason=reason,
                details=details or {},
            )
        )

    def latest(self, limit: int = 100, *, subject: str = "", action: str = "") -> list[AuditEvent]:
        """The newest events first, of one subject or action where they are named."""
        query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
        if subject:
            query = query.where(audit.c.subject == subject)
        if action:
            query = query.where(audit.c.action == action)
        return [AuditEvent(**row._mapping) for row in self._connection.execute(query)]
