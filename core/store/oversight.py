"""What people still owe each other: a second signature, and a look back at what was forced."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from core.errors import DecidedAlready, Missing
from core.records import FollowUp, ForceRequest
from core.tables import follow_ups, force_requests

_REQUEST = [c for c in force_requests.c if c.name != "open_key"]


class Oversight:
    """Force requests and follow-ups, as seen from inside one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    # A second person

    def ask_force(self, version: int, reason: str, actor: str) -> ForceRequest:
        """Ask for a force that another person must confirm.

        Raises:
            DecidedAlready: one is open for this version already.
        """
        try:
            with self._connection.begin_nested():
                self._connection.execute(
                    sa.insert(force_requests).values(
                        version=version,
                        reason=reason,
                        asked_at=self._now,
                        asked_by=actor[:200],
                        closed_by="",
                        outcome="",
                        open_key=version,
                    )
                )
        except sa.exc.IntegrityError:
            raise DecidedAlready(
                f"Forcing version {version} has been asked for already; it waits for a second "
                "person."
            ) from None
        found = self.open_force(version)
        if found is None:
            raise Missing(f"The request for version {version} was closed at once.")
        return found

    def open_force(self, version: int) -> ForceRequest | None:
        """The open request for a version, if there is one."""
        row = self._connection.execute(
            sa.select(*_REQUEST).where(force_requests.c.open_key == version)
        ).one_or_none()
        return ForceRequest(**row._mapping) if row else None

    def open_forces(self) -> list[ForceRequest]:
        """Every force that waits for a second person, oldest first."""
        query = (
            sa.select(*_REQUEST)
            .where(force_requests.c.open_key.is_not(None))
            .order_by(force_requests.c.id)
        )
        return [ForceRequest(**row._mapping) for row in self._connection.execute(query)]

    def close_force(self, request: ForceRequest, outcome: str, actor: str) -> None:
        """Close a request as "confirmed" or "withdrawn".

        Raises:
            DecidedAlready: somebody closed it first.
        """
        closed = self._connection.execute(
            sa.update(force_requests)
            .where(force_requests.c.id == request.id, force_requests.c.open_key.is_not(None))
            .values(closed_at=self._now, closed_by=actor[:200], outcome=outcome, open_key=None)
        )
        if not closed.rowcount:
            raise DecidedAlready(f"The request to force version {request.version} is closed.")

    # Looking back

    def open_follow_up(self, subject: str, text: str, actor: str) -> None:
        """Note what somebody must look at later."""
        self._connection.execute(
            sa.insert(follow_ups).values(
                subject=subject[:100],
                text=text,
                opened_at=self._now,
                opened_by=actor[:200],
                closed_by="",
                note="",
            )
        )

    def follow_ups(self, *, only_open: bool = True, limit: int = 100) -> list[FollowUp]:
        """The newest follow-ups first."""
        query = sa.select(follow_ups).order_by(follow_ups.c.id.desc()).limit(limit)
        if only_open:
            query = query.where(follow_ups.c.closed_at.is_(None))
        return [FollowUp(**row._mapping) for row in self._connection.execute(query)]

    def close_follow_up(self, follow_up_id: int, note: str, actor: str) -> FollowUp:
        """Close a follow-up with what was found.

        Raises:
            Missing: there is none.
            DecidedAlready: somebody closed it first.
        """
        closed = self._connection.execute(
            sa.update(follow_ups)
            .where(follow_ups.c.id == follow_up_id, follow_ups.c.closed_at.is_(None))
            .values(closed_at=self._now, closed_by=actor[:200], note=note)
        )
        row = self._connection.execute(
            sa.select(follow_ups).where(follow_ups.c.id == follow_up_id)
        ).one_or_none()
        if row is None:
            raise Missing(f"There is no follow-up {follow_up_id}.")
        if not closed.rowcount:
            raise DecidedAlready(f"Follow-up {follow_up_id} was closed by {row.closed_by}.")
        return FollowUp(**row._mapping)
