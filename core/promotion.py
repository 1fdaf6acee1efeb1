"""Judging a candidate, and the legal ways from a proposal to a served model. Pure.

Both models are scored on the same held-out rows, which neither has seen: comparing scores
from different rows would always favour the model of the easiest rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.dataset import METRICS, Dataset
from core.errors import BadInput, IllegalTransition, ReasonRequired, StaleDossier
from core.evidence import BATCH, Difference, Slice
from core.records import Gate, Promotion, PromotionState, Score, Verdict, figure

MEANINGFUL = 0.01
"""The relative improvement below which two models count as equally good."""

WORST_REGRESSION = 0.10
"""How much worse any other metric may get before the recommendation turns to no."""

WORST_SLICE = 0.20
"""How much worse a slice of the rows may get before the recommendation turns to no."""

_OVERLAP, _BETTER = "no overlap", "better"

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


def judge(
    candidate: Score,
    champion: Score | None,
    dataset: Dataset,
    *,
    differences: Mapping[str, Difference] | None = None,
    slices: Sequence[Slice] = (),
    overlap: int = 0,
) -> Verdict:
    """Recommend for or against a candidate: for it when every gate is passed.

    The gates: no row was both trained on and scored on; and, where there is a champion, the
    dataset's primary metric is better by more than `MEANINGFUL`, the interval of that difference
    leaves out zero, no other metric is worse by more than `WORST_REGRESSION`, and no slice of the
    rows is worse by more than `WORST_SLICE` beyond doubt. The last two need `differences` and
    `slices`; without them they are not asked for.

    Raises:
        BadInput: the two were not scored on the same number of rows.
    """
    gates = [_apart(overlap)]
    if champion is None:
        lead = "Nothing is live yet: any model that passed its checks is better."
    else:
        if candidate.rows != champion.rows:
            raise BadInput(
                f"Candidate and champion were scored on {candidate.rows} and {champion.rows} "
                "rows; only scores on the same rows can be compared."
            )
        better = _better(candidate, champion, dataset)
        gates += [better, *_certain(dataset, champion, differences)]
        gates += [_others(candidate, champion, dataset), *_everywhere(slices, champion)]
        lead = better.says
    failed = [gate for gate in gates if not gate.passed]
    reasons = [lead, *(gate.says for gate in failed if gate.says != lead)]
    return Verdict(not failed, tuple(reasons), tuple(gates))


def is_best(verdict: Verdict) -> bool:
    """Whether the candidate does best on the primary metric, whatever else speaks against it.

    That is the original pipeline's rule, which promoted the best one unasked.
    """
    return all(gate.passed for gate in verdict.gates if gate.name in (_OVERLAP, _BETTER))


def _apart(overlap: int) -> Gate:
    if overlap:
        rows = "row is" if overlap == 1 else "rows are"
        says = (
            f"{overlap:,} held-out {rows} also among those it may have learned from, so its "
            "scores are worth nothing. Restart the source and train anew."
        )
    else:
        says = "No held-out row is among those it learned from."
    return Gate(_OVERLAP, overlap == 0, says, blocks=True)


def _better(candidate: Score, champion: Score, dataset: Dataset) -> Gate:
    primary = dataset.primary_metric
    gain = improvement(primary, candidate.metrics[primary], champion.metrics[primary])
    says = _sentence(primary, candidate, champion, gain)
    if -MEANINGFUL <= gain <= MEANINGFUL:
        says += f" A difference below {MEANINGFUL:.0%} is too small to act on."
    return Gate(_BETTER, gain > MEANINGFUL, says)


def _certain(
    dataset: Dataset, champion: Score, differences: Mapping[str, Difference] | None
) -> list[Gate]:
    """Whether chance alone could have made the primary metric's difference."""
    primary = dataset.primary_metric
    if differences is None or primary not in differences:
        return []
    seen = differences[primary]
    passed = seen.low > 0 if METRICS[primary] else seen.high < 0
    between = f"95 % interval {signed(seen.low)} to {signed(seen.high)}"
    says = (
        f"Chance alone hardly explains the difference to version {champion.version} ({between})."
        if passed
        else f"The difference to version {champion.version} could be chance ({between})."
    )
    return [Gate("beyond chance", passed, says)]


def _others(candidate: Score, champion: Score, dataset: Dataset) -> Gate:
    worse = []
    for metric in METRICS:
        if metric == dataset.primary_metric or metric not in candidate.metrics:
            continue
        gain = improvement(metric, candidate.metrics[metric], champion.metrics[metric])
        if gain < -WORST_REGRESSION:
            worse.append(_sentence(metric, candidate, champion, gain))
    says = " ".join(worse) or f"No other metric is worse by more than {WORST_REGRESSION:.0%}."
    return Gate("no regression", not worse, says)


def _everywhere(slices: Sequence[Slice], champion: Score) -> list[Gate]:
    """Whether some part of the rows pays for what the whole gains.

    Batches are shown and not asked for: after drift a better model is worse on the old ones.
    """
    compared = [s for s in slices if s.champion and s.difference and s.by != BATCH]
    if not compared:
        return []
    worse = [
        f"{s.by} {s.value} ({(s.candidate / s.champion - 1):.0%} on {s.rows:,} rows)"
        for s in compared
        if s.champion
        and s.difference
        and s.candidate / s.champion - 1 > WORST_SLICE
        and s.difference.low > 0
    ]
    says = (
        f"Clearly worse than version {champion.version} on {'; '.join(worse)}."
        if worse
        else f"Worse by more than {WORST_SLICE:.0%} on none of {len(compared)} slices of the rows."
    )
    return [Gate("no worse slice", not worse, says)]


def signed(value: float) -> str:
    """A difference as sentences say it."""
    return f"{'+' if value > 0 else '-' if value < 0 else ''}{figure(abs(value))}"


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


def require_current(promotion: Promotion, digest: str, champion: int | None) -> None:
    """Let an approval pass that was made on the evidence as it is, about today's champion.

    `digest` is that of the dossier which was looked at.

    Raises:
        StaleDossier: there is none, it was replaced, or it compares with another champion.
        IllegalTransition: what the evidence found leaves no way but force.
    """
    version = promotion.version
    if old := why_stale(promotion, champion):
        raise StaleDossier(f"Version {version}: {old} Judge it anew, then decide.")
    if digest != promotion.dossier_digest:
        raise StaleDossier(
            f"Version {version} was judged anew since this dossier was looked at; look again."
        )
    blocking = [gate for gate in promotion.failed_gates if gate.blocks]
    if blocking:
        raise IllegalTransition(f"Version {version} cannot be approved: {blocking[0].says}")


def why_stale(promotion: Promotion, champion: int | None) -> str:
    """Why a version's evidence cannot be decided on any more, as a sentence; empty if it can."""
    if not promotion.dossier_digest:
        return "It has no dossier yet."
    if promotion.compared_with != champion:
        return (
            f"The dossier compares it with {named(promotion.compared_with)}, but "
            f"{named(champion)} is live now."
        )
    return ""


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
