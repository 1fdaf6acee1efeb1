"""Judging a candidate, and the legal ways from a proposal to a served model. Pure.

Both models are scored on the same held-out rows, which neither has seen: comparing scores
from different rows would always favour the model of the easiest rows.
"""

from __future__ import annotations

from core.dataset import METRICS, Dataset
from core.errors import BadInput, IllegalTransition, ReasonRequired
from core.records import PromotionState, Score, Verdict, figure

MEANINGFUL = 0.01
"""The relative improvement below which two models count as equally good."""

WORST_REGRESSION = 0.10
"""How much worse any other metric may get before the recommendation turns to no."""

_TRANSITIONS = {
    PromotionState.PROPOSED: {PromotionState.APPROVED, PromotionState.REJECTED},
    PromotionState.APPROVED: {PromotionState.LIVE, PromotionState.FAILED},
    PromotionState.LIVE: {PromotionState.RETIRED},
    PromotionState.RETIRED: {PromotionState.APPROVED},
    PromotionState.FAILED: {PromotionState.APPROVED},
    PromotionState.REJECTED: {PromotionState.APPROVED},
}

_WITHOUT_FORCE = {
    (PromotionState.PROPOSED, PromotionState.APPROVED),
    (PromotionState.PROPOSED, PromotionState.REJECTED),
    (PromotionState.APPROVED, PromotionState.LIVE),
    (PromotionState.APPROVED, PromotionState.FAILED),
    (PromotionState.LIVE, PromotionState.RETIRED),
}

_METRIC_NAMES = {
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "mdape": "median absolute percentage error",
    "r2": "R²",
}


def judge(candidate: Score, champion: Score | None, dataset: Dataset) -> Verdict:
    """Recommend for or against a candidate.

    Promote when there is no champion; or when the dataset's primary metric is better by more
    than `MEANINGFUL` and no other metric is worse by more than `WORST_REGRESSION`.

    Raises:
        BadInput: the two were not scored on the same number of rows.
    """
    if champion is None:
        return Verdict(True, ("Nothing is live yet: any model that passed its checks is better.",))
    if candidate.rows != champion.rows:
        raise BadInput(
            f"Candidate and champion were scored on {candidate.rows} and {champion.rows} rows; "
            "only scores on the same rows can be compared."
        )
    primary = dataset.primary_metric
    gain = improvement(primary, candidate.metrics[primary], champion.metrics[primary])
    reasons = [_sentence(primary, candidate, champion, gain)]
    promote = gain > MEANINGFUL
    if not promote and gain >= -MEANINGFUL:
        reasons.append(f"A difference below {MEANINGFUL:.0%} is too small to act on.")
    for metric in METRICS:
        if metric == primary or metric not in candidate.metrics:
            continue
        other = improvement(metric, candidate.metrics[metric], champion.metrics[metric])
        if other < -WORST_REGRESSION:
            promote = False
            reasons.append(_sentence(metric, candidate, champion, other))
    return Verdict(promote, tuple(reasons))


def improvement(metric: str, candidate: float, champion: float) -> float:
    """By how much the candidate is better, relative to the champion; negative is worse.

    For R², whose zero means nothing in particular, it is the share of the champion's
    unexplained variance that the candidate explains.
    """
    if METRICS[metric]:
        rest = 1.0 - champion
        return (candidate - champion) / rest if rest > 0 else 0.0
    return (champion - candidate) / champion if champion else 0.0


def _sentence(metric: str, candidate: Score, champion: Score, gain: float) -> str:
    verb = "better" if gain > 0 else "worse"
    return (
        f"The {_METRIC_NAMES[metric]} is {abs(gain):.1%} {verb}: "
        f"{figure(candidate.metrics[metric])} against {figure(champion.metrics[metric])} "
        f"of version {champion.version}, on the same {candidate.rows:,} rows."
    )


def require_transition(now: PromotionState, to: PromotionState, *, forced: bool) -> None:
    """Let a legal transition pass. Force opens the way back from an end to APPROVED.

    Raises:
        IllegalTransition: the move is not one, or needs force.
    """
    if to not in _TRANSITIONS[now]:
        raise IllegalTransition(f"This promotion is {now}; it cannot become {to}.")
    if not forced and (now, to) not in _WITHOUT_FORCE:
        raise IllegalTransition(f"This promotion is {now}; only force or rollback revive it.")


def require_reason(reason: str, act: str) -> str:
    """The reason, trimmed.

    Raises:
        ReasonRequired: there is none.
    """
    if not reason.strip():
        raise ReasonRequired(f"Say why: {act} goes on record with a reason.")
    return reason.strip()
