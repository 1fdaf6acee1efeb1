"""Promotions: each version's way to serving, changed only by compare-and-set."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.errors import DecidedAlready, Missing, StaleDossier
from core.promotion import require_transition
from core.records import Promotion, PromotionState, Verdict
from core.tables import promotions


def _promotion(row: sa.Row[Any]) -> Promotion:
    fields = dict(row._mapping)
    verdict = Verdict(fields.pop("recommended"), tuple(fields.pop("reasons")))
    fields.pop("live_key")
    return Promotion(**fields | {"state": PromotionState(fields["state"]), "verdict": verdict})


class Promotions:
    """The promotions, as seen from inside one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def propose(
        self,
        version: int,
        verdict: Verdict,
        dossier: dict[str, Any],
        actor: str,
        *,
        digest: str = "",
    ) -> Promotion:
        """Put a version up for decision, with the evidence as it stands; once for each version.

        `dossier` is the evidence's short form, `digest` names the whole of it.
        """
        self._connection.execute(
            sa.insert(promotions).values(
                version=version,
                state=PromotionState.PROPOSED.value,
                recommended=verdict.promote,
                reasons=list(verdict.reasons),
                dossier=dossier,
                dossier_digest=digest,
                proposed_at=self._now,
                proposed_by=actor[:200],
                forced=False,
                reason="",
                decided_by="",
                failure="",
            )
        )
        return self.of_version(version)

    def judge_anew(
        self, promotion: Promotion, verdict: Verdict, dossier: dict[str, Any], digest: str
    ) -> None:
        """Put newer evidence in the place of the one that was proposed with."""
        self._connection.execute(
            sa.update(promotions)
            .where(promotions.c.id == promotion.id)
            .values(
                recommended=verdict.promote,
                reasons=list(verdict.reasons),
                dossier=dossier,
                dossier_digest=digest,
            )
        )

    def get(self, promotion_id: int) -> Promotion:
        """The promotion of that id.

        Raises:
            Missing: there is none.
        """
        return self._one(promotions.c.id == promotion_id, f"There is no promotion {promotion_id}.")

    def of_version(self, version: int) -> Promotion:
        """The promotion of that model version.

        Raises:
            Missing: the version was never proposed.
        """
        return self._one(
            promotions.c.version == version, f"Version {version} was never proposed here."
        )

    def _one(self, where: sa.ColumnElement[bool], complaint: str) -> Promotion:
        row = self._connection.execute(sa.select(promotions).where(where)).one_or_none()
        if row is None:
            raise Missing(complaint)
        return _promotion(row)

    def live(self) -> Promotion | None:
        """The promotion whose version is served, if any."""
        row = self._connection.execute(
            sa.select(promotions).where(promotions.c.live_key.is_(True))
        ).one_or_none()
        return _promotion(row) if row else None

    def before_live(self) -> Promotion | None:
        """The version that was live before the present one: where a rollback goes."""
        query = (
            sa.select(promotions)
            .where(promotions.c.state == PromotionState.RETIRED.value)
            .order_by(promotions.c.ended_at.desc())
            .limit(1)
        )
        row = self._connection.execute(query).one_or_none()
        return _promotion(row) if row else None

    def latest(self, limit: int = 50, state: PromotionState | None = None) -> list[Promotion]:
        """The newest versions first."""
        query = sa.select(promotions).order_by(promotions.c.version.desc()).limit(limit)
        if state:
            query = query.where(promotions.c.state == state.value)
        return [_promotion(row) for row in self._connection.execute(query)]

    def decide(
        self,
        promotion: Promotion,
        to: PromotionState,
        *,
        actor: str,
        reason: str,
        forced: bool = False,
    ) -> None:
        """Approve or reject, if nobody has decided since the promotion was looked at.

        Raises:
            IllegalTransition: the rule does not allow it from this state.
            DecidedAlready: its state has changed meanwhile.
        """
        require_transition(promotion.state, to, forced=forced)
        self._move(
            promotion,
            to,
            decided_at=self._now,
            decided_by=actor[:200],
            reason=reason,
            forced=forced,
            failure="",
            ended_at=self._now if to is PromotionState.REJECTED else None,
        )

    def make_live(self, promotion: Promotion) -> None:
        """Note that serving answers with this version; the one before it is retired.

        Raises:
            DecidedAlready: its state has changed meanwhile.
        """
        self._connection.execute(
            sa.update(promotions)
            .where(promotions.c.live_key.is_(True), promotions.c.id != promotion.id)
            .values(state=PromotionState.RETIRED.value, ended_at=self._now, live_key=None)
        )
        self._move(promotion, PromotionState.LIVE, live_at=self._now, live_key=True)

    def fail(self, promotion: Promotion, failure: str) -> None:
        """Note why an approved version did not come to be served.

        Raises:
            DecidedAlready: its state has changed meanwhile.
        """
        self._move(promotion, PromotionState.FAILED, failure=failure, ended_at=self._now)

    def _move(self, promotion: Promotion, to: PromotionState, **values: Any) -> None:
        decided = "decided_at" in values
        moved = self._connection.execute(
            sa.update(promotions)
            .where(
                promotions.c.id == promotion.id,
                promotions.c.state == promotion.state.value,
                # A decision holds for the evidence that it was made on.
                *([promotions.c.dossier_digest == promotion.dossier_digest] if decided else []),
            )
            .values(state=to.value, **values)
        )
        if not moved.rowcount:
            now = self.get(promotion.id)
            if now.state is promotion.state:
                raise StaleDossier(
                    f"Version {promotion.version} was judged anew meanwhile; look at its dossier "
                    "again."
                )
            raise DecidedAlready(
                f"Version {promotion.version} is {now.state} by now"
                + (f", decided by {now.decided_by}." if now.decided_by else ".")
            )
