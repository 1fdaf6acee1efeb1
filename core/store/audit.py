"""The audit trail: written in the same transaction as what it tells of, and chained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core import chain
from core.printable import printable, storable
from core.records import AuditEvent
from core.roles import Actor
from core.tables import audit, audit_head

_PAGE = 1000


class Audit:
    """Who did what, when and why. Rows are added and never changed."""

    def __init__(self, connection: sa.Connection, now: datetime, by: Actor | None = None) -> None:
        self._connection = connection
        self._now = now
        self._by = by
        self._waiting: list[AuditEvent] = []

    def add(
        self,
        actor: str,
        action: str,
        subject: str,
        *,
        reason: str = "",
        details: dict[str, Any] | None = None,
    ) -> None:
        """Put one act on record; `subject` is a kind and an id, such as `job:12`.

        Where a person acts, the row also keeps their role and who vouched for them, and their name
        where it is not the one that the row goes under.

        It is written by `flush`, the last thing that a commit does: the head of the chain is then
        locked last and for the shortest time, so two transactions never wait for each other.
        """
        who = printable(actor)[:200]
        kept = (details or {}) | self._acting(actor)
        self._waiting.append(
            AuditEvent(0, self._now, who, action[:40], subject[:100], storable(reason), kept)
        )

    def _acting(self, actor: str) -> dict[str, Any]:
        if self._by is None:
            return {}
        told = self._by.on_record()
        return {"by": told if actor == self._by.name else {"name": self._by.name} | told}

    def flush(self) -> None:
        """Chain and write what was added."""
        if not self._waiting:
            return
        head = self._connection.execute(
            sa.select(audit_head).where(audit_head.c.id == 1).with_for_update()
        ).one()
        last, before = int(head.last_id), str(head.hash)
        for event in self._waiting:
            last += 1
            numbered = replace(event, id=last)
            before = chain.link(before, numbered)
            self._connection.execute(
                sa.insert(audit).values(
                    id=last,
                    at=numbered.at,
                    actor=numbered.actor,
                    action=numbered.action,
                    subject=numbered.subject,
                    reason=numbered.reason,
                    details=numbered.details,
                    hash=before,
                )
            )
        self._connection.execute(
            sa.update(audit_head).where(audit_head.c.id == 1).values(last_id=last, hash=before)
        )
        self._waiting.clear()

    def latest(
        self,
        limit: int = 100,
        *,
        subject: str = "",
        action: str = "",
        actor: str = "",
        since: datetime | None = None,
        before_id: int | None = None,
    ) -> list[AuditEvent]:
        """The newest events first, of one subject, action or actor where they are named.

        `since` leaves out what is older; `before_id` goes on where an earlier page ended.
        """
        query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
        for column, wanted in (
            (audit.c.subject, subject),
            (audit.c.action, action),
            (audit.c.actor, actor),
        ):
            if wanted:
                query = query.where(column == wanted)
        if since is not None:
            query = query.where(audit.c.at >= since)
        if before_id is not None:
            query = query.where(audit.c.id < before_id)
        return [AuditEvent(**row._mapping) for row in self._connection.execute(query)]

    def of(self, subjects: Sequence[str] = (), actions: Sequence[str] = ()) -> list[AuditEvent]:
        """Every event of these subjects or actions, oldest first, a thousand at most."""
        query = sa.select(audit).order_by(audit.c.id).limit(_PAGE)
        if subjects:
            query = query.where(audit.c.subject.in_(subjects))
        if actions:
            query = query.where(audit.c.action.in_(actions))
        return [AuditEvent(**row._mapping) for row in self._connection.execute(query)]

    def names(self) -> tuple[list[str], list[str]]:
        """The actions and the actors that are on record, for choosing from."""
        found = [
            self._connection.execute(sa.select(column).distinct().order_by(column).limit(200))
            for column in (audit.c.action, audit.c.actor)
        ]
        actions, actors = ([str(name) for (name,) in rows] for rows in found)
        return actions, actors

    def head(self) -> tuple[int, str]:
        """The last event's id and hash, as noted beside the trail."""
        row = self._connection.execute(sa.select(audit_head).where(audit_head.c.id == 1)).one()
        return int(row.last_id), str(row.hash)

    def verify(self) -> chain.Break | None:
        """The first place where the trail is not what was written, or None if it is whole."""
        return chain.first_break(self._all(), *self.head())

    def _all(self) -> Iterator[AuditEvent]:
        last = -1
        while page := self._connection.execute(
            sa.select(audit).where(audit.c.id > last).order_by(audit.c.id).limit(_PAGE)
        ).all():
            yield from (AuditEvent(**row._mapping) for row in page)
            last = page[-1].id
