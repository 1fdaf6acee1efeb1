"""The gates that a dataset file defines, each with a sentence. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from core.domain.dataset import Dataset
from core.domain.dossier import Gate, GateName, OwnFigure, Score, Slice
from core.domain.evaluation import MetricLimit, SegmentLimit
from core.domain.metrics import ERROR_OF
from core.rules.model.metric_comparison import (
    Sense,
    amount,
    certainty,
    change,
    improvement,
    percent,
)


def own_gates(
    dataset: Dataset,
    candidate: Score,
    champion: Score | None,
    slices: Sequence[Slice],
    own: Sequence[OwnFigure] = (),
) -> list[Gate]:
    """One gate for each limit of the dataset file, in its order.

    `own` has the values of the team's own metrics. A limit of segments compares with the champion,
    so it gives a gate only if there is one.
    """
    gates = []
    for limit in dataset.evaluation.gates:
        if isinstance(limit, MetricLimit):
            gates.append(_metric(limit, dataset, candidate, own))
        elif champion is not None:
            gates.append(_segments(limit, champion, slices, ERROR_OF[dataset.task]))
    return gates


def _metric(
    limit: MetricLimit, dataset: Dataset, candidate: Score, own: Sequence[OwnFigure]
) -> Gate:
    """Whether a metric is within its bound; one that was not measured, or not finite, is not."""
    metric = dataset.evaluation.metric(limit.metric)
    figure = next((f for f in own if f.key == limit.metric), None)
    value = figure.candidate if figure else candidate.metrics.get(limit.metric)
    if limit.at_most is not None:
        passed, bound = value is not None and value <= limit.at_most, "at most"
        required = amount(metric, limit.at_most)
    else:
        least = limit.at_least or 0.0
        passed, bound = value is not None and value >= least, "at least"
        required = amount(metric, least)
    rule = f"the dataset file requires {bound} {required}"
    if value is None:
        why = f" {figure.problem}" if figure and figure.problem else ""
        says = f"The {metric.name} was not measured, and {rule}.{why}"
    else:
        says = f"The {metric.name} is {amount(metric, value)}; {rule}."
    return Gate(GateName.METRIC_LIMIT, passed, says)


def _segments(limit: SegmentLimit, champion: Score, slices: Sequence[Slice], error: str) -> Gate:
    """Whether no segment of a column is significantly worse than the limit allows."""
    compared = [
        (s, s.champion, s.difference)
        for s in slices
        if s.by == limit.column and s.champion is not None and s.difference
    ]
    worse = [
        f"{s.value} ({change(error, s.candidate, before)} on {s.rows:,} rows)"
        for s, before, difference in compared
        if improvement(error, s.candidate, before) < -limit.worse_by_at_most
        and certainty(error, difference) is Sense.WORSE
    ]
    bound = percent(limit.worse_by_at_most, 0)
    if worse:
        says = (
            f"Significantly worse than version {champion.version} on {limit.column} "
            f"{'; '.join(worse)}; the dataset file allows {bound}."
        )
    elif compared:
        says = (
            f"No segment of {limit.column} is more than {bound} worse ({len(compared)} compared)."
        )
    else:
        says = f"No segment of {limit.column} has enough held-out rows to be compared."
    return Gate(GateName.SEGMENT_LIMIT, not worse, says, compares=True)
