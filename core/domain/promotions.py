"""Promotions: a model version's way from proposal to serving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.domain.dossier import DossierSummary, Gate


class PromotionState(StrEnum):
    """Where a candidate's way to serving stands.

    SUPERSEDED: another version went live before a decision, and it was not re-evaluated.
    """

    PROPOSED = "PROPOSED"
    APPROVED = "APPROVED"
    LIVE = "LIVE"
    REJECTED = "REJECTED"
    FAILED = "FAILED"
    RETIRED = "RETIRED"
    SUPERSEDED = "SUPERSEDED"


class Decision(StrEnum):
    """How a version was decided; the value is also the audit trail's action."""

    APPROVE = "approve"
    FORCE = "force"
    ROLLBACK = "rollback"
    REJECT = "reject"
    SUPERSEDE = "supersede"

    @property
    def leads_to(self) -> PromotionState:
        """The state in which it leaves the version."""
        if self is Decision.REJECT:
            return PromotionState.REJECTED
        if self is Decision.SUPERSEDE:
            return PromotionState.SUPERSEDED
        return PromotionState.APPROVED

    @property
    def revives(self) -> bool:
        """Whether it may promote a version whose way had ended."""
        return self in (Decision.FORCE, Decision.ROLLBACK)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rule recommends about a candidate, and why."""

    promote: bool
    reasons: tuple[str, ...]
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldBatch:
    """A batch among a version's training rows that is held now."""

    id: int
    number: int
    held_at: datetime
    reason: str

    @property
    def sentence(self) -> str:
        """That the version was trained on it, with the reason of the hold."""
        return (
            f"Trained on batch {self.number}, which was held on {self.held_at:%Y-%m-%d}: "
            f"{self.reason.rstrip('.')}."
        )


@dataclass(frozen=True, slots=True)
class Promotion:
    """A model version's way to serving.

    `dossier` is the summary of the evidence, and `dossier_digest` names the whole of it, which is
    frozen in a table of its own; None and empty for a version that was never judged here.
    `file_digest` is the SHA-256 of the model file on record, in hex; empty where none is known.
    `decided_as` says how it was decided last; None for one that waits. `live_at` is when it went
    live last; None if it never did. `held` are the batches it was trained on that are held now.
    """

    id: int
    version: int
    state: PromotionState
    verdict: Verdict
    dossier: DossierSummary | None
    proposed_at: datetime
    proposed_by: str
    forced: bool = False
    reason: str = ""
    decided_at: datetime | None = None
    decided_by: str = ""
    live_at: datetime | None = None
    ended_at: datetime | None = None
    failure: str = ""
    dossier_digest: str = ""
    file_digest: str = ""
    decided_as: Decision | None = None
    held: tuple[HeldBatch, ...] = ()

    @property
    def metrics(self) -> Mapping[str, float]:
        """Its metrics on the held-out rows; empty for a version that was never judged here."""
        return self.dossier.candidate.metrics if self.dossier else {}

    @property
    def failed_gates(self) -> tuple[Gate, ...]:
        """The gates that it does not pass."""
        return tuple(gate for gate in self.dossier.gates if not gate.passed) if self.dossier else ()

    @property
    def compared_with(self) -> int | None:
        """The version that it was to be compared with when it was judged."""
        return self.dossier.compared_with if self.dossier else None


@dataclass(frozen=True, slots=True)
class ForceRequest:
    """A force that one person has asked for and that another must confirm.

    `dossier_digest` names the evidence that the first one saw; empty where there was none.
    `outcome` is empty while it is open, then "confirmed", "withdrawn", or "superseded" where the
    version was decided otherwise meanwhile.
    """

    id: int
    version: int
    reason: str
    asked_at: datetime
    asked_by: str
    closed_at: datetime | None = None
    closed_by: str = ""
    outcome: str = ""
    dossier_digest: str = ""


class Cause(StrEnum):
    """Why a follow-up was opened."""

    FORCED = "forced"
    HELD = "held"
    """The version was trained on a batch that is held."""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """An open task about a version that was forced, or was trained on a batch that is held.

    `cause` is None for those that were opened before it was kept.
    """

    id: int
    subject: str
    text: str
    opened_at: datetime
    opened_by: str
    closed_at: datetime | None = None
    closed_by: str = ""
    note: str = ""
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """A time during which a version was live; `until` is None for the present one."""

    version: int
    since: datetime
    until: datetime | None
    by: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class Replica:
    """One running process of serving: where it is reached, what it serves, what it refused.

    Its fields are the table's columns.
    """

    id: str
    url: str
    model_version: int | None
    digest: str
    refused: str
    started_at: datetime
    heard_at: datetime
