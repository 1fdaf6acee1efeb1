"""Force requests that await a second approver, and follow-ups of decisions."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from core.adapters.store.part import Part, select, whole
from core.adapters.store.tables import follow_ups, force_requests
from core.domain.errors import DecidedAlready, Missing
from core.domain.promotions import Cause, FollowUp, ForceRequest

_SELECT = select(ForceRequest, force_requests)


class ForceRequests(Part):
    """Force requests and follow-ups; bound to one transaction."""

    def ask_force(self, version: int, reason: str, actor: str, digest: str) -> ForceRequest:
        """Request a force that another person must confirm, for the dossier of that digest.

        Raises:
            DecidedAlready: one is open for this version already.
        """
        try:
            with self._connection.begin_nested():
                self._insert(
                    force_requests,
                    version=version,
                    reason=reason,
                    asked_at=self._now,
                    asked_by=actor[:200],
                    closed_by="",
                    outcome="",
                    open_key=version,
                    dossier_digest=digest,
                )
        except sa.exc.IntegrityError:
            raise DecidedAlready(
                f"Forcing version {version} has been asked for already; it waits for a second "
                "person."
            ) from None
        request = self.open_force(version)
        if request is None:
            raise Missing(f"The request for version {version} was closed at once.")
        return request

    def open_force(self, version: int) -> ForceRequest | None:
        """The open request for a version, if there is one."""
        return self._one(ForceRequest, _SELECT.where(force_requests.c.open_key == version))

    def open_forces(self) -> list[ForceRequest]:
        """Every force that waits for a second person, oldest first."""
        query = _SELECT.where(force_requests.c.open_key.is_not(None)).order_by(force_requests.c.id)
        return self._all(ForceRequest, query)

    def close_force(self, request: ForceRequest, outcome: str, actor: str) -> ForceRequest:
        """Close a request as "confirmed", "withdrawn" or "superseded"; returns it closed.

        Raises:
            DecidedAlready: another person closed it first.
        """
        is_open = (force_requests.c.id == request.id, force_requests.c.open_key.is_not(None))
        closed = replace(request, closed_at=self._now, closed_by=actor[:200], outcome=outcome)
        values = {"closed_at": self._now, "closed_by": closed.closed_by, "outcome": outcome}
        if not self._update(force_requests, *is_open, open_key=None, **values):
            raise DecidedAlready(f"The request to force version {request.version} is closed.")
        return closed

    def supersede_force(self, version: int, actor: str) -> ForceRequest | None:
        """Close the open request of a version that was decided otherwise; None if there is none."""
        request = self.open_force(version)
        if request is None:
            return None
        try:
            return self.close_force(request, "superseded", actor)
        except DecidedAlready:
            return None

    def open_follow_up(self, subject: str, text: str, actor: str, cause: Cause) -> None:
        """Open a follow-up."""
        opened = {"opened_at": self._now, "opened_by": actor[:200], "closed_by": "", "note": ""}
        self._insert(follow_ups, subject=subject[:100], text=text, cause=cause, **opened)

    def of_cause(self, subject: str, cause: Cause) -> list[FollowUp]:
        """The open follow-ups about a subject that were opened for this cause."""
        f = follow_ups.c
        open_ones = (f.subject == subject, f.cause == cause, f.closed_at.is_(None))
        return self._all(FollowUp, whole(follow_ups).where(*open_ones).order_by(f.id))

    def follow_ups(self, *, only_open: bool = True, limit: int = 100) -> list[FollowUp]:
        """The newest follow-ups first."""
        query = whole(follow_ups).order_by(follow_ups.c.id.desc()).limit(limit)
        if only_open:
            query = query.where(follow_ups.c.closed_at.is_(None))
        return self._all(FollowUp, query)

    def close_follow_up(self, follow_up_id: int, note: str, actor: str) -> FollowUp:
        """Close a follow-up with what was found.

        Raises:
            Missing: there is none.
            DecidedAlready: another person closed it first.
        """
        this = follow_ups.c.id == follow_up_id
        values = {"closed_at": self._now, "closed_by": actor[:200], "note": note}
        closed = self._update(follow_ups, this, follow_ups.c.closed_at.is_(None), **values)
        follow_up = self._one(FollowUp, whole(follow_ups).where(this))
        if follow_up is None:
            raise Missing(f"There is no follow-up {follow_up_id}.")
        if not closed:
            raise DecidedAlready(f"Follow-up {follow_up_id} was closed by {follow_up.closed_by}.")
        return follow_up
