"""What a candidate's recommendation is worth today: the one answer that all who show it ask. Pure.

A verdict is written when a version is judged. It holds as long as the version that it was compared
with is live. Overview, the Promotion page, the command line and notices never read the verdict
itself; they ask here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from core.domain.metrics import METRICS
from core.domain.promotions import Promotion, PromotionState
from core.rules.model.metric_comparison import Sense, change, sense
from core.rules.model.promotion_states import (
    AGAIN,
    decided_already,
    excused,
    why_force,
    why_stale,
)


class Standing(StrEnum):
    """Where a version stands, in the words of every list."""

    RECOMMENDED = "recommended"
    NOT_RECOMMENDED = "not recommended"
    STALE = "to be re-evaluated"
    JUDGING = "being re-evaluated"
    UNJUDGED = "never judged"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A version's present recommendation.

    `says` is the sentence that decides it. `obstacle` says why it cannot be approved as it is,
    empty where it can; `passes_over` names the gates that an approval leaves open because nothing
    is live yet.
    """

    standing: Standing
    says: str
    obstacle: str = ""
    passes_over: tuple[str, ...] = ()

    @property
    def approvable(self) -> bool:
        """Whether an approval would be accepted now."""
        return not self.obstacle


def recommend(
    promotion: Promotion, live: int | None, judging: Collection[int] = (), failure: str = ""
) -> Recommendation:
    """What is recommended about a version while `live` is served.

    `judging` holds the versions that are being judged, or are queued for it; `failure` says how the
    last re-evaluation of this one failed, if it did. For a version that is decided, it is what was
    recommended then.
    """
    open_ = promotion.state is PromotionState.PROPOSED
    old = why_stale(promotion, live) if open_ else ""
    if open_ and promotion.version in judging:
        return Recommendation(Standing.JUDGING, old or "A new dossier is being made.", _WAIT)
    if not promotion.dossier_digest:
        return Recommendation(Standing.UNJUDGED, promotion.verdict.reasons[0], "Judge it first.")
    if old:
        old = f"{old} {failure}".strip()
        return Recommendation(Standing.STALE, old, f"{old} {AGAIN}")
    obstacle = why_force(promotion, live) if open_ else decided_already(promotion)
    over = tuple(gate.name for gate in excused(promotion, live)) if open_ else ()
    if open_ and promotion.held:
        return Recommendation(Standing.NOT_RECOMMENDED, obstacle, obstacle)
    standing = Standing.RECOMMENDED if promotion.verdict.promote else Standing.NOT_RECOMMENDED
    return Recommendation(standing, _decisive(promotion), obstacle, over)


def not_recommended(candidates: Iterable[Promotion], live: int | None) -> frozenset[int]:
    """The versions among them that await approval and are not recommended while `live` is served.

    One whose evidence is outdated is not among them: it is being re-evaluated.
    """
    return frozenset(
        c.version
        for c in candidates
        if c.state is PromotionState.PROPOSED
        and recommend(c, live).standing is Standing.NOT_RECOMMENDED
    )


def re_evaluation_failed(job_id: int, error: str) -> str:
    """How a version's last re-evaluation failed, as a sentence."""
    return f"Its re-evaluation failed (job {job_id}): {error}"


_WAIT = "It is being re-evaluated; wait for the new dossier."


def _decisive(promotion: Promotion) -> str:
    """The first open gate's sentence, after the gain in spite of which it is open.

    Without an open gate it is the verdict's own.
    """
    failed = promotion.failed_gates
    if not failed:
        return next(iter(promotion.verdict.reasons), "")
    gain = "" if failed[0].blocks else _gain(promotion)
    return f"{gain}, but a gate is not passed: {failed[0].says}" if gain else failed[0].says


def _gain(promotion: Promotion) -> str:
    """By how much its primary metric is better than the champion's; empty if it is not."""
    dossier = promotion.dossier
    if dossier is None or dossier.champion is None:
        return ""
    metric, champion = dossier.primary_metric, dossier.champion
    if metric not in dossier.candidate.metrics or metric not in champion.metrics:
        return ""
    values = dossier.candidate.metrics[metric], champion.metrics[metric]
    if sense(metric, *values) is not Sense.BETTER:
        return ""
    gain = f"{METRICS[metric].name} is {change(metric, *values)}"
    return f"The {gain} than that of version {champion.version}"
