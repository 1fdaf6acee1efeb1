"""Promotions: each version's way to serving, changed only by compare-and-set."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from core.adapters.store.dossier_json import file_digest, readable_summary, summary_to_json
from core.adapters.store.part import Part, equal, whole
from core.adapters.store.tables import batches, promotions, trained_on
from core.domain.dossier import DossierSummary
from core.domain.errors import DecidedAlready, Missing, StaleDossier
from core.domain.promotions import Decision, HeldBatch, Promotion, PromotionState, Verdict
from core.rules.model.promotion_states import decided_already, require_decidable

DOSSIER = sa.type_coerce(promotions.c.dossier, sa.Text).label("dossier")
"""The stored summary as text: a page reads the same ones often, and decodes each once."""

_SELECT = whole(promotions, "dossier").add_columns(DOSSIER)
_IN_ONE_QUERY = 500
_LIVE = promotions.c.live_key.is_(True)
_OPEN = (PromotionState.PROPOSED, PromotionState.SUPERSEDED)
"""The states in which newer evidence takes the place of the older."""


def as_promotion(row: sa.Row[Any]) -> Promotion:
    """A promotion from its row with the dossier as text, without its held batches."""
    fields = dict(row._mapping)
    fields.pop("live_key")
    fields.pop("dataset", None)
    content = fields["dossier"]
    return Promotion(
        **fields
        | {
            "state": PromotionState(fields["state"]),
            "verdict": Verdict(fields.pop("recommended"), tuple(fields.pop("reasons"))),
            "dossier": readable_summary(fields["version"], content),
            "file_digest": file_digest(content),
            "decided_as": Decision(fields["decided_as"]) if fields["decided_as"] else None,
        }
    )


def _evidence(verdict: Verdict, dossier: dict[str, Any], digest: str) -> dict[str, Any]:
    """The columns that newer evidence replaces."""
    reasons = list(verdict.reasons)
    columns = {"recommended": verdict.promote, "reasons": reasons}
    return columns | {"dossier": dossier, "dossier_digest": digest}


def _unchanged(promotion: Promotion) -> list[sa.ColumnElement[bool]]:
    return [promotions.c.id == promotion.id, promotions.c.state == promotion.state.value]


def _same_evidence(promotion: Promotion) -> sa.ColumnElement[bool]:
    return promotions.c.dossier_digest == promotion.dossier_digest


class Promotions(Part):
    """The promotions, as seen from inside one transaction."""

    def propose(
        self,
        version: int,
        verdict: Verdict,
        dossier: DossierSummary | None,
        actor: str,
        *,
        digest: str = "",
        file_digest: str = "",
    ) -> Promotion:
        """Propose a version, with the evidence as it stands; once for each version.

        `digest` names the whole dossier. `file_digest` is that of the model file of a version that
        was never judged here, whose `dossier` is None.
        """
        content = summary_to_json(dossier) if dossier else {"digest": file_digest}
        self._insert(
            promotions,
            version=version,
            **_evidence(verdict, content, digest),
            state=PromotionState.PROPOSED.value,
            proposed_at=self._now,
            proposed_by=actor[:200],
            forced=False,
            **dict.fromkeys(("reason", "decided_by", "failure"), ""),
        )
        return self.of_version(version)

    def replace_evidence(
        self, promotion: Promotion, verdict: Verdict, dossier: DossierSummary, digest: str
    ) -> bool:
        """Replace the evidence of an open version; says whether it did.

        A decided version keeps the evidence that it was decided on, because serving trusts its
        digest. A superseded version awaits approval again.
        """
        if promotion.state not in _OPEN:
            return False
        values = _evidence(verdict, summary_to_json(dossier), digest)
        if promotion.state is PromotionState.SUPERSEDED:
            values |= {"state": PromotionState.PROPOSED.value, "decided_at": None, "ended_at": None}
            values |= dict.fromkeys(("reason", "decided_by", "decided_as"), "")
        return self._update(promotions, *_unchanged(promotion), _same_evidence(promotion), **values)

    def get(self, promotion_id: int) -> Promotion:
        """The promotion of that id.

        Raises:
            Missing: there is none.
        """
        return self._only(promotions.c.id == promotion_id, f"There is no promotion {promotion_id}.")

    def of_version(self, version: int) -> Promotion:
        """The promotion of that model version.

        Raises:
            Missing: the version was never proposed.
        """
        complaint = f"Version {version} was never proposed here."
        listed = "`driftdesk candidates` lists the versions."
        return self._only(promotions.c.version == version, f"{complaint} {listed}")

    def _only(self, where: sa.ColumnElement[bool], complaint: str) -> Promotion:
        for promotion in self._select(_SELECT.where(where)):
            return promotion
        raise Missing(complaint)

    def _select(self, query: sa.Select[Any]) -> list[Promotion]:
        """The promotions of a query, each with the held batches that it was trained on."""
        rows = [as_promotion(row) for row in self._connection.execute(query)]
        held = self._held([p.version for p in rows])
        return [replace(p, held=held[p.version]) if p.version in held else p for p in rows]

    def _held(self, versions: Sequence[int]) -> dict[int, tuple[HeldBatch, ...]]:
        """The held batches among the training rows of these versions, oldest first."""
        by_version: dict[int, tuple[HeldBatch, ...]] = {}
        b = batches.c
        for start in range(0, len(versions), _IN_ONE_QUERY):
            wanted = trained_on.c.version.in_(versions[start : start + _IN_ONE_QUERY])
            held_now = (b.id, b.number, b.held_at, b.hold_reason)
            query = (
                sa.select(trained_on.c.version, *held_now)
                .join(batches, b.id == trained_on.c.batch_id)
                .where(wanted, b.held_at.is_not(None))
                .order_by(b.id)
            )
            for version, *held in self._connection.execute(query):
                by_version[version] = (*by_version.get(version, ()), HeldBatch(*held))
        return by_version

    def live(self) -> Promotion | None:
        """The promotion whose version is served, if any."""
        return next(iter(self._select(_SELECT.where(_LIVE))), None)

    def were_live(self, limit: int = 50) -> list[Promotion]:
        """The versions that were live before the present one, whatever became of them since.

        The one that went live last comes first.
        """
        query = (
            _SELECT.where(promotions.c.live_at.is_not(None), promotions.c.live_key.is_(None))
            .order_by(promotions.c.live_at.desc())
            .limit(limit)
        )
        return self._select(query)

    def latest(self, limit: int = 50, state: PromotionState | None = None) -> list[Promotion]:
        """The newest versions first."""
        query = _SELECT.where(*equal((promotions.c.state, state)))
        return self._select(query.order_by(promotions.c.version.desc()).limit(limit))

    def waiting(self, limit: int = 500) -> list[Promotion]:
        """The versions that await approval, newest first."""
        return self.latest(limit, PromotionState.PROPOSED)

    def known(self, versions: Collection[int]) -> dict[int, str]:
        """Which of these versions were proposed here, each with its model file's digest.

        The digest is empty where it is not known.
        """
        digests: dict[int, str] = {}
        wanted = sorted(set(versions))
        for start in range(0, len(wanted), _IN_ONE_QUERY):
            is_wanted = promotions.c.version.in_(wanted[start : start + _IN_ONE_QUERY])
            query = sa.select(promotions.c.version, DOSSIER).where(is_wanted)
            digests |= {v: file_digest(text) for v, text in self._connection.execute(query)}
        return digests

    def live_version(self) -> int | None:
        """The version that is served, as the record has it, if any."""
        version: int | None = self._value(sa.select(promotions.c.version).where(_LIVE))
        return version

    def of_file(self, digest: str, limit: int = 500) -> list[Promotion]:
        """The versions on record whose model file has that digest, newest first."""
        return [p for p in self.latest(limit) if p.file_digest == digest]

    def decide(self, promotion: Promotion, decision: Decision, *, actor: str, reason: str) -> None:
        """Approve, force, roll back to, reject or supersede, if it was not decided meanwhile.

        Raises:
            IllegalTransition: the rule does not allow it from this state.
            StaleDossier: it was re-evaluated since it was looked at.
            DecidedAlready: its state has changed meanwhile.
        """
        require_decidable(promotion, decision)
        is_approved = decision.leads_to is PromotionState.APPROVED
        self._move(
            promotion,
            decision.leads_to,
            decided_at=self._now,
            decided_by=actor[:200],
            decided_as=decision.value,
            reason=reason,
            forced=decision is Decision.FORCE,
            failure="",
            ended_at=None if is_approved else self._now,
        )

    def make_live(self, promotion: Promotion) -> None:
        """Note that serving answers with this version; the one before it is retired.

        Raises:
            DecidedAlready: its state has changed meanwhile.
        """
        retired = {"state": PromotionState.RETIRED.value, "ended_at": self._now, "live_key": None}
        self._update(promotions, _LIVE, promotions.c.id != promotion.id, **retired)
        self._move(promotion, PromotionState.LIVE, live_at=self._now, live_key=True)

    def fail(self, promotion: Promotion, failure: str) -> None:
        """Note why an approved version did not come to be served.

        Raises:
            DecidedAlready: its state has changed meanwhile.
        """
        self._move(promotion, PromotionState.FAILED, failure=failure, ended_at=self._now)

    def _move(self, promotion: Promotion, to: PromotionState, **values: Any) -> None:
        unchanged = _unchanged(promotion)
        if "decided_at" in values:  # a decision holds for the evidence that it was made on
            unchanged.append(_same_evidence(promotion))
        if not self._update(promotions, *unchanged, state=to.value, **values):
            now = self.get(promotion.id)
            if now.state is promotion.state:
                raise StaleDossier(
                    f"Version {promotion.version} was re-evaluated meanwhile; look at its dossier "
                    "once more."
                )
            raise DecidedAlready(decided_already(now))
