"""The legal ways from a proposal to a served model, and what a decision needs. Pure.

Approve needs every gate of a current dossier passed. Whatever is not passed needs force, with a
reason. One exception: while nothing is live yet, gates that only compare with another version may
stay open, because there is nothing served that could be lost.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.domain.dossier import Gate, GateName
from core.domain.errors import IllegalTransition, ReasonRequired, StaleDossier
from core.domain.promotions import Decision, ForceRequest, Promotion, PromotionState

_ENDED = (
    PromotionState.REJECTED,
    PromotionState.FAILED,
    PromotionState.RETIRED,
    PromotionState.SUPERSEDED,
)

AGAIN = "Re-evaluate it first."
"""What is to be done about a version whose evidence is stale."""

_BY = {
    Decision.APPROVE: "approved by",
    Decision.FORCE: "forced by",
    Decision.ROLLBACK: "rolled back to by",
    Decision.REJECT: "rejected by",
    Decision.SUPERSEDE: "superseded by",
}


def allows(state: PromotionState, decision: Decision) -> bool:
    """Whether a version in this state can be decided on in this way.

    A candidate can; force and rollback also revive a version whose way to serving has ended.
    """
    return state is PromotionState.PROPOSED or (decision.revives and state in _ENDED)


def is_second_person(request: ForceRequest, actor: str) -> bool:
    """Whether this person may confirm the force: another one than the person who requested it."""
    return request.asked_by != actor


def require_decidable(promotion: Promotion, decision: Decision) -> None:
    """Let a decision pass that the promotion's state allows.

    Raises:
        IllegalTransition: it was decided already; says by whom, when, and what can be done now.
    """
    if not allows(promotion.state, decision):
        raise IllegalTransition(decided_already(promotion))


def decided_already(promotion: Promotion) -> str:
    """What became of a version and what can be done about it now, as sentences."""
    version, state = f"Version {promotion.version}", promotion.state
    force = "force it with a reason"
    says = {
        PromotionState.PROPOSED: f"{version} awaits approval.",
        PromotionState.APPROVED: f"{version} was {_by_whom(promotion)} and is on its way to "
        "serving; wait until that has ended.",
        PromotionState.LIVE: f"{version} is live already, {_by_whom(promotion)}; to take it away, "
        "roll back.",
        PromotionState.REJECTED: f"{version} was already {_by_whom(promotion)}; to promote it, "
        f"{force}.",
        PromotionState.RETIRED: f"{version} was live before, {_by_whom(promotion)}; to serve it "
        f"again, roll back to it or {force}.",
        PromotionState.FAILED: f"{version} was {_by_whom(promotion)} and did not come to be "
        f"served; to try again, {force}.",
        PromotionState.SUPERSEDED: f"{version} was set aside when another version went live; "
        f"re-evaluate it to decide about it, or {force}.",
    }
    return says[state]


def never_live(promotion: Promotion) -> str:
    """Why a rollback cannot go to a version that was never served, as a sentence."""
    return (
        f"Version {promotion.version} was never live, so no rollback goes to it. Approve it, or "
        "force it with a reason."
    )


def decision_in_words(promotion: Promotion) -> str:
    """By whom and how a version was decided, such as "rolled back to by ana"; empty if it was not.

    A version that the setting `PROMOTION=auto` approved is "approved by auto".
    """
    if not promotion.decided_by:
        return ""
    fallback = Decision.FORCE if promotion.forced else Decision.APPROVE
    if promotion.state is PromotionState.REJECTED:
        fallback = Decision.REJECT
    return f"{_BY[promotion.decided_as or fallback]} {promotion.decided_by}"


def _by_whom(promotion: Promotion) -> str:
    how = decision_in_words(promotion) or "decided"
    at = promotion.decided_at
    return f"{how} on {at:%Y-%m-%d at %H:%M} UTC" if at else how


BASELINES = (GateName.BASELINE, GateName.CLASS_SHARES)
"""The gate of the baseline, of a regression and of a classifier."""

_COMPARING = (GateName.BETTER, GateName.SIGNIFICANT, GateName.NO_REGRESSION)
"""The gates that a dossier with figures of the champion has; slices depend on the rows."""


def missing_gates(promotion: Promotion) -> tuple[str, ...]:
    """The gates of today's rule that a version's dossier was made without."""
    dossier = promotion.dossier
    baseline = BASELINES[bool(dossier and dossier.task.is_classifier)]
    required = (GateName.NO_OVERLAP, baseline) + (
        _COMPARING if dossier and dossier.champion else ()
    )
    recorded = {gate.name for gate in dossier.gates} if dossier else set()
    return tuple(name for name in required if name not in recorded)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the page that a person decided on said is live; a decision holds for that alone."""

    live: int | None


def require_seen(seen: Seen | None, live: int | None) -> None:
    """Let a decision pass whose person saw what is live; None: they did not look.

    Raises:
        StaleDossier: another version is live.
    """
    if seen is not None and seen.live != live:
        now = named(live)
        raise StaleDossier(
            f"{now[0].upper()}{now[1:]} is live now; when you looked, it was {named(seen.live)}. "
            "Look again, then decide."
        )


def require_same_dossier(promotion: Promotion, digest: str) -> None:
    """Let a decision pass that was made on the version's present dossier.

    `digest` is that of the dossier which was looked at; empty where there was none.

    Raises:
        StaleDossier: it was replaced.
    """
    if digest != promotion.dossier_digest:
        raise StaleDossier(
            f"Version {promotion.version} was re-evaluated since you opened this dossier. Open "
            "the new one."
        )


def require_current(promotion: Promotion, digest: str, live: int | None) -> None:
    """Let an approval pass that was made on the evidence as it is, about today's live version.

    `digest` is that of the dossier which was looked at.

    Raises:
        StaleDossier: there is none, it was replaced, it compares with another version, or it
            lacks a gate of today's rule.
        IllegalTransition: a gate is not passed or a training batch is held, so it needs force.
    """
    version = promotion.version
    if old := why_stale(promotion, live):
        raise StaleDossier(f"Version {version}: {old} {AGAIN}")
    require_same_dossier(promotion, digest)
    if why := why_force(promotion, live):
        raise IllegalTransition(
            f"Version {version} cannot be approved. {why} To serve it all the same, force it with "
            f'a reason: `driftdesk force {version} --reason "…"`, or Force on the Promotion page.'
        )


def why_force(promotion: Promotion, live: int | None) -> str:
    """Why a version needs force, in sentences that name each open gate; empty if it does not.

    Gates that only compare with another version do not need it while nothing is live.
    """
    if promotion.held:
        held = " ".join(batch.sentence for batch in promotion.held)
        return f"{held} Train again without it, or release the batch."
    failed = promotion.failed_gates
    if failed and not excused(promotion, live):
        names = ", ".join(gate.name for gate in failed)
        says = " ".join(gate.says for gate in failed)
        gates = "this gate" if len(failed) == 1 else f"{len(failed)} gates"
        return f"It does not pass {gates}: {names}. {says}"
    if not failed and not promotion.verdict.promote:
        return "It was not recommended: " + " ".join(promotion.verdict.reasons)
    return ""


def excused(promotion: Promotion, live: int | None) -> tuple[Gate, ...]:
    """The open gates that an approval may pass over: comparisons, while nothing is live."""
    failed = promotion.failed_gates
    excuses = live is None and not promotion.held and all(gate.compares for gate in failed)
    return failed if excuses else ()


def why_stale(promotion: Promotion, live: int | None) -> str:
    """Why a version's evidence cannot be decided on any more, as a sentence; empty if it can."""
    if not promotion.dossier_digest:
        return "It has no dossier yet."
    if promotion.dossier is None:
        return "Its stored dossier cannot be read by this version of driftdesk."
    if live is not None and promotion.compared_with != live:
        return (
            f"The dossier compares it with {named(promotion.compared_with)}, but "
            f"{named(live)} is live now."
        )
    if missing := missing_gates(promotion):
        gates = "a gate" if len(missing) == 1 else "gates"
        return f"Its dossier is older than today's rule and lacks {gates}: {', '.join(missing)}."
    return ""


def other_version(promotion: Promotion, live: int | None) -> int | None:
    """The version that one is looked at beside: the live one, or for that, the one before it."""
    return promotion.compared_with if live == promotion.version else live


def named(version: int | None) -> str:
    """A version as sentences name it, also where there is none."""
    return "nothing" if version is None else f"version {version}"


def require_reason(reason: str, act: str) -> str:
    """The reason, trimmed.

    Raises:
        ReasonRequired: there is none.
    """
    if not reason.strip():
        raise ReasonRequired(f"Say why: {act} goes on record with a reason.")
    return reason.strip()
