"""The audit trail, written in the transaction of the act and hash-chained."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.adapters.store.in_force import in_force
from core.adapters.store.part import Part, equal
from core.adapters.store.scope import DATASET, EVERY
from core.adapters.store.tables import audit, audit_head
from core.domain.audit_event import AuditEvent
from core.domain.safe_text import printable, storable
from core.rules.access.roles import Actor
from core.rules.ops import audit_chain

_PAGE = 1000


class Audit(Part):
    """Who did what, when and why. Rows are added and never changed.

    There is one chain for all datasets; `dataset` is the one that acts are about, "" for the whole
    desk.
    """

    def __init__(
        self,
        connection: sa.Connection,
        now: datetime,
        by: Actor | None = None,
        *,
        dataset: str,
    ) -> None:
        super().__init__(connection, now)
        self._by = by
        self._dataset = dataset
        self._waiting: list[AuditEvent] = []

    def add(
        self,
        actor: str,
        action: str,
        subject: str,
        *,
        reason: str = "",
        details: dict[str, Any] | None = None,
        dataset: str | None = None,
    ) -> None:
        """Record one act; `subject` is a kind and an id, such as `job:12`.

        `dataset` is the one that it is about, if it is another than the trail's own.

        For a person, the row also has their role and identity, and their name if the row is under
        another one.

        `flush` writes it as the last step of a commit, so that the chain's head is locked last and
        briefly, and two transactions never deadlock.
        """
        who = printable(actor)[:200]
        kept = (details or {}) | self._acting(actor)
        about = self._dataset if dataset is None else dataset
        said = (who, action[:40], subject[:100], storable(reason), kept)
        self._waiting.append(AuditEvent(0, self._now, *said, dataset=about))

    def _acting(self, actor: str) -> dict[str, Any]:
        if self._by is None:
            return {}
        role = self._by.on_record()
        return {"by": role if actor == self._by.name else {"name": self._by.name} | role}

    def flush(self) -> None:
        """Chain and write the added events."""
        if not self._waiting:
            return
        head = self._connection.execute(
            sa.select(audit_head).where(audit_head.c.id == 1).with_for_update()
        ).one()
        last, before = int(head.last_id), str(head.hash)
        for event in self._waiting:
            last += 1
            numbered = replace(event, id=last)
            before = audit_chain.link(before, numbered)
            self._insert(audit, **asdict(replace(numbered, hash=before)))
        self._update(audit_head, audit_head.c.id == 1, last_id=last, hash=before)
        self._waiting.clear()

    def latest(
        self,
        limit: int = 100,
        *,
        subject: str = "",
        action: str = "",
        actor: str = "",
        other_than: str = "",
        since: datetime | None = None,
        before_id: int | None = None,
        datasets: Collection[str] | None = None,
        now: bool = False,
    ) -> list[AuditEvent]:
        """The newest events first, filtered by subject, action, actor and time.

        `other_than` leaves out what one actor did.
        `before_id` continues after an earlier page. In the trail of the whole desk, `datasets`
        has the names of those that it is about, "" for the whole desk; None for all. With `now`
        those alone that no later restore has made history.
        """
        wanted = ((audit.c.subject, subject), (audit.c.action, action), (audit.c.actor, actor))
        query = sa.select(audit).where(*equal(*wanted)).order_by(audit.c.id.desc()).limit(limit)
        if other_than:
            query = query.where(audit.c.actor != other_than)
        if datasets is not None:
            query = query.where(audit.c.dataset.in_(datasets))
        if since is not None:
            query = query.where(audit.c.at >= since)
        if before_id is not None:
            query = query.where(audit.c.id < before_id)
        if now:
            query = query.where(*in_force(self._connection))
        return self._all(AuditEvent, query)

    def of(
        self, subjects: Sequence[str] = (), actions: Sequence[str] = (), *, now: bool = False
    ) -> list[AuditEvent]:
        """Every event of these subjects or actions, oldest first, a thousand at most.

        With `now` those alone that no later restore has made history.
        """
        query = sa.select(audit).order_by(audit.c.id).limit(_PAGE)
        if subjects:
            query = query.where(audit.c.subject.in_(subjects))
        if actions:
            query = query.where(audit.c.action.in_(actions))
        if now:
            query = query.where(*in_force(self._connection))
        return self._all(AuditEvent, query)

    def names(self) -> tuple[list[str], list[str]]:
        """All recorded actions and actors, for filters."""
        actions, actors = (
            self._values(sa.select(column).distinct().order_by(column).limit(200))
            for column in (audit.c.action, audit.c.actor)
        )
        return actions, actors

    def head(self) -> tuple[int, str]:
        """The id and hash of the last event, from `audit_head`."""
        row = self._connection.execute(sa.select(audit_head).where(audit_head.c.id == 1)).one()
        return int(row.last_id), str(row.hash)

    def verify(self) -> audit_chain.Break | None:
        """The first break of the hash chain, which is one for all datasets, or None."""
        return audit_chain.first_break(self._trail(), *self.head())

    def _trail(self) -> Iterator[AuditEvent]:
        last = -1
        query = sa.select(audit).order_by(audit.c.id).limit(_PAGE)
        every = {DATASET: EVERY}
        while rows := self._connection.execute(
            query.where(audit.c.id > last), execution_options=every
        ).all():
            page = [AuditEvent(**row._mapping) for row in rows]
            yield from page
            last = page[-1].id
