"""Judging a candidate: the gates, and the recommendation that follows from them. Pure.

Both models are scored on the same held-out rows, which neither has seen: comparing scores
from different rows would always favour the model of the easiest rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.domain.dataset import Dataset
from core.domain.dossier import Baseline, Difference, Gate, GateName, OwnFigure, Score, Slice
from core.domain.errors import BadInput
from core.domain.metrics import ERROR_OF, INFORMS, METRICS, OF_LABELS
from core.domain.promotions import Verdict
from core.rules.model.evaluation import BATCH
from core.rules.model.metric_comparison import (
    Sense,
    amount,
    certainty,
    change,
    improvement,
    interval_in_words,
    percent,
)
from core.rules.model.own_gates import own_gates

MEANINGFUL = 0.01
"""The relative improvement below which two models count as equally good."""

WORST_REGRESSION = 0.10
"""How much worse any other metric may get before the recommendation turns to no."""

WORST_SLICE = 0.20
"""How much worse a slice of the rows may get before the recommendation turns to no."""


def judge(
    candidate: Score,
    champion: Score | None,
    dataset: Dataset,
    *,
    differences: Mapping[str, Difference] | None = None,
    slices: Sequence[Slice] = (),
    baseline: Baseline | None = None,
    own: Sequence[OwnFigure] = (),
    overlap: int = 0,
    uncompared: str = "",
    is_live: bool = False,
) -> Verdict:
    """Recommend for or against a candidate: for it when every gate is passed.

    Two gates always apply: no row was both trained on and scored on, and the candidate is
    clearly better than the median of the training target, or its class shares (`baseline`). With a
    champion there are four more: the dataset's primary metric is better by more than `MEANINGFUL`,
    the interval of that difference excludes zero, no other metric is worse by more than
    `WORST_REGRESSION`, and no slice of the rows is significantly worse by more than `WORST_SLICE`.
    `uncompared` says why a champion could not be scored; a gate stays open then. Gates that need
    `baseline`, `differences` or `slices` are left out without them. `is_live`: the candidate is the
    champion itself. The dataset's own gates come last; `own` has the values of its own metrics,
    which no other gate checks.

    The first reason is the one that decided: the first gate that is not passed, if there is one.

    Raises:
        BadInput: the two were not scored on the same number of rows.
    """
    gates = [_apart(overlap)]
    lead = _ITSELF if is_live else _FIRST
    if baseline is not None:
        gates.append(_beats_baseline(candidate, baseline, dataset))
        lead = f"{lead} {gates[-1].says}" if is_live else f"{gates[-1].says} {lead}"
    if champion is not None:
        if candidate.rows != champion.rows:
            raise BadInput(
                f"Candidate and champion were scored on {candidate.rows} and {champion.rows} "
                "rows; only scores on the same rows can be compared."
            )
        better = _better(candidate, champion, dataset)
        gates += [better, *_certain(dataset, champion, differences)]
        gates.append(_others(candidate, champion, dataset, differences or {}))
        gates += _everywhere(slices, champion, ERROR_OF[dataset.task])
        lead = better.says
    elif uncompared:
        gates.append(Gate(GateName.COMPARED, passed=False, says=uncompared, compares=True))
    gates += own_gates(dataset, candidate, champion, slices, own)
    against = [gate.says for gate in gates if not gate.passed]
    return Verdict(not against, tuple(against or [lead]), tuple(gates))


_FIRST = "No version was live, so there was no champion to compare with."
_ITSELF = "It is the live version itself, so there is no other to compare it with."


def _apart(overlap: int) -> Gate:
    if overlap:
        rows = "row is" if overlap == 1 else "rows are"
        says = (
            f"{overlap:,} held-out {rows} also among those it may have learned from, so its "
            "scores are worth nothing. Restart the source and train again."
        )
    else:
        says = "No held-out row is among those it learned from."
    return Gate(GateName.NO_OVERLAP, overlap == 0, says, blocks=True)


def _beats_baseline(candidate: Score, baseline: Baseline, dataset: Dataset) -> Gate:
    """Whether the model is better than one constant answer for every row.

    The primary metric must be significantly better, and no other metric worse by more than
    `MEANINGFUL`: a mean error can be improved on a few large values alone. For a classifier, only
    metrics of its probabilities are compared: class shares are well calibrated, and if one class is
    rare, never answering with it gives an accuracy that few models exceed.
    """
    primary, task = dataset.primary_metric, dataset.task
    worse = [
        metric
        for metric in baseline.metrics
        if metric not in (primary, *INFORMS, *OF_LABELS)
        and improvement(metric, candidate.metrics[metric], baseline.metrics[metric]) < -MEANINGFUL
    ]
    seen = baseline.differences[primary]
    clear = certainty(primary, seen) is Sense.BETTER
    interval = "" if clear else f", 95 % interval: {_between(seen, dataset)}"
    figures = [_versus(primary, candidate.metrics, baseline.metrics, interval)]
    figures += [_versus(metric, candidate.metrics, baseline.metrics) for metric in worse]
    constant = f"the baseline (the {task.constant} of the training rows)"
    if clear and worse:
        names = " and ".join(METRICS[metric].name for metric in worse)
        verdict = f"Better than {constant} by {METRICS[primary].name}, but worse by {names}"
    else:
        verdict = f"{'Clearly' if clear else 'Not clearly'} better than {constant}"
    says = f"{verdict}: {'; '.join(figures)}."
    name = GateName.CLASS_SHARES if task.is_classifier else GateName.BASELINE
    return Gate(name, clear and not worse, says)


def _versus(
    metric: str, values: Mapping[str, float], others: Mapping[str, float], note: str = ""
) -> str:
    value, other = values[metric], others[metric]
    return (
        f"{METRICS[metric].name} {amount(metric, value)} against {amount(metric, other)} "
        f"({change(metric, value, other)}{note})"
    )


def _between(seen: Difference, dataset: Dataset) -> str:
    return interval_in_words(dataset.primary_metric, seen, dataset.target.unit)


def _better(candidate: Score, champion: Score, dataset: Dataset) -> Gate:
    primary = dataset.primary_metric
    gain = improvement(primary, candidate.metrics[primary], champion.metrics[primary])
    says = _sentence(primary, candidate, champion)
    if gain and -MEANINGFUL <= gain <= MEANINGFUL:
        of = f" of {_LEFT[primary]}" if primary in _LEFT else ""
        says += f" Less than {percent(MEANINGFUL, 0)}{of} is too small to act on."
    return Gate(GateName.BETTER, gain > MEANINGFUL, says, compares=True)


_LEFT = {
    "r2": "the variance left to explain",
    "accuracy": "the wrong answers",
    **dict.fromkeys(("roc_auc", "pr_auc", "f1"), "the distance to 1"),
}
"""What an improvement is a share of, if not of the metric itself."""


def _certain(
    dataset: Dataset, champion: Score, differences: Mapping[str, Difference] | None
) -> list[Gate]:
    """Whether the difference of the primary metric is significant."""
    primary = dataset.primary_metric
    if differences is None or primary not in differences:
        return []
    seen = differences[primary]
    version, between = champion.version, f"95 % interval: {_between(seen, dataset)}"
    says = {
        Sense.BETTER: f"The improvement over version {version} is significant ({between}).",
        Sense.WORSE: f"Significantly worse than version {version} ({between}).",
        Sense.SAME: f"The difference to version {version} is not significant ({between}).",
    }
    sense = certainty(primary, seen)
    if sense is Sense.SAME and seen.low == seen.high:
        says[sense] = f"There is no difference to version {version}."
    return [Gate(GateName.SIGNIFICANT, sense is Sense.BETTER, says[sense], compares=True)]


def _others(
    candidate: Score,
    champion: Score,
    dataset: Dataset,
    differences: Mapping[str, Difference],
) -> Gate:
    """Whether no other metric is worse.

    For a classifier the difference must also be significant: with few wrong answers, a single row
    changes the error by a large share.
    """
    worse = []
    for metric in champion.metrics:
        if metric == dataset.primary_metric or metric not in candidate.metrics or metric in INFORMS:
            continue
        gain = improvement(metric, candidate.metrics[metric], champion.metrics[metric])
        difference = differences.get(metric) if dataset.task.is_classifier else None
        if gain < -WORST_REGRESSION and (
            not difference or certainty(metric, difference) is Sense.WORSE
        ):
            worse.append(_sentence(metric, candidate, champion))
    says = (
        " ".join(worse) or f"No other metric is worse by more than {percent(WORST_REGRESSION, 0)}."
    )
    return Gate(GateName.NO_REGRESSION, not worse, says, compares=True)


def _everywhere(slices: Sequence[Slice], champion: Score, error: str) -> list[Gate]:
    """Whether no segment is worse although the whole is better.

    Batches are shown but not checked: after drift a better model is worse on the old batches.
    """
    compared = [
        (s, s.champion, s.difference)
        for s in slices
        if s.champion is not None and s.difference and s.by != BATCH
    ]
    if not compared:
        return []
    worse = [
        f"{s.by} {s.value} ({change(error, s.candidate, before)} on {s.rows:,} rows)"
        for s, before, difference in compared
        if improvement(error, s.candidate, before) < -WORST_SLICE
        and certainty(error, difference) is Sense.WORSE
    ]
    says = (
        f"Significantly worse than version {champion.version} on {'; '.join(worse)}."
        if worse
        else f"No segment is more than {percent(WORST_SLICE, 0)} worse ({len(compared)} compared)."
    )
    return [Gate(GateName.NO_WORSE_SEGMENT, not worse, says, compares=True)]


def _sentence(metric: str, candidate: Score, champion: Score) -> str:
    value, before = candidate.metrics[metric], champion.metrics[metric]
    return (
        f"The {METRICS[metric].name} is {change(metric, value, before)}: {amount(metric, value)} "
        f"against {amount(metric, before)} of version {champion.version}, on the same "
        f"{candidate.rows:,} rows."
    )
