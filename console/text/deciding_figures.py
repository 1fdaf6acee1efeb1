"""The five figures that a decision about a version rests on, with their differences in words.

With a champion: the primary metric against it, whether that difference is significant, the
baseline, the newest batch that is newer than both, and the segment that got worst (without
segments, the metric that gains least). For a first version: the primary metric against the
baseline, whether that is significant, the metric that gains least, and how many rows it was
evaluated and trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from console.text import formatting
from core.domain.dossier import Baseline, Difference, Dossier, Slice
from core.domain.forward_scores import ForwardScore
from core.domain.metrics import ERROR_OF, INFORMS, METRICS, OF_LABELS
from core.rules.model.evaluation import BATCH
from core.rules.model.forward_scores import NONE_NEWER
from core.rules.model.metric_comparison import (
    Sense,
    certainty,
    change,
    improvement,
    interval_in_words,
    sense,
)

SIGNIFICANT = {Sense.BETTER: "yes, better", Sense.WORSE: "yes, worse", Sense.SAME: "no"}
"""Whether a difference is statistically significant, and in which direction."""


@dataclass(frozen=True, slots=True)
class DecidingFigure:
    """One figure: its name, its value, what stands beside it, and what that means."""

    name: str
    value: str
    says: str
    sense: Sense = Sense.SAME


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest batch that both the version and the live one were scored on."""

    name: str
    own: ForwardScore
    live: ForwardScore


def deciding_figures(
    dossier: Dossier,
    labels: Mapping[str, str],
    unit: str,
    newest: Newest | None = None,
    other: int | None = None,
) -> list[DecidingFigure]:
    """The figures of a dossier; those that it was made without are left out.

    `labels` are those of the columns, and `unit` is the target's. `newest` has the scores beside
    version `other`.
    """
    primary, champion, baseline = dossier.primary_metric, dossier.champion, dossier.baseline
    constant = f"the {dossier.task.constant}"
    if champion:
        found = [
            _metric(dossier, primary, champion.metrics, f"version {champion.version}", unit),
            _certain(primary, dossier.differences, unit),
            _baseline(dossier, baseline, unit) if baseline else None,
            _on_newest(dossier, newest, other),
            _worst_segment(dossier.slices, ERROR_OF[dossier.task], labels)
            or _gains_least(dossier, champion.metrics, f"version {champion.version}", unit),
        ]
        return [figure for figure in found if figure]
    against = baseline.metrics if baseline else {}
    batches = formatting.count(len(dossier.batches), "batch")
    found = [
        _metric(dossier, primary, against, constant, unit),
        _certain(primary, baseline.differences, unit) if baseline else None,
        _gains_least(dossier, against, constant, unit),
        DecidingFigure("Evaluated on", _rows(dossier.candidate.rows), "none of them trained on"),
        DecidingFigure("Trained on", _rows(dossier.training_rows), f"of {batches}"),
    ]
    return [figure for figure in found if figure]


def _metric(
    dossier: Dossier, metric: str, other: Mapping[str, float], whose: str, unit: str
) -> DecidingFigure | None:
    """A metric with its difference to another model's."""
    value, reference = dossier.candidate.metrics.get(metric), other.get(metric)
    if value is None:
        return None
    name, text = METRICS[metric].heading, formatting.metric(metric, value, unit)
    if reference is None:
        return DecidingFigure(name, text, "nothing to compare with")
    which = sense(metric, value, reference)
    joint = "as" if which is Sense.SAME else "than"
    says = f"{change(metric, value, reference)} {joint} {whose}"
    return DecidingFigure(name, text, says, which)


def _certain(
    metric: str, differences: Mapping[str, Difference], unit: str
) -> DecidingFigure | None:
    difference = differences.get(metric)
    if difference is None:
        return None
    which = certainty(metric, difference)
    says = f"{interval_in_words(metric, difference, unit)} (95 %)"
    return DecidingFigure("Statistically significant", SIGNIFICANT[which], says, which)


def _baseline(dossier: Dossier, baseline: Baseline, unit: str) -> DecidingFigure | None:
    """The difference of the primary metric to the baseline's."""
    metric = dossier.primary_metric
    value, reference = dossier.candidate.metrics.get(metric), baseline.metrics.get(metric)
    difference = baseline.differences.get(metric)
    if value is None or reference is None or difference is None:
        return None
    which = certainty(metric, difference)
    sure = "not significant" if which is Sense.SAME else "significant"
    return DecidingFigure(
        f"Against the {dossier.task.constant}",
        change(metric, value, reference),
        f"{formatting.metric(metric, reference, unit)}, {sure}",
        which,
    )


def _on_newest(dossier: Dossier, newest: Newest | None, other: int | None) -> DecidingFigure | None:
    metric, version = dossier.primary_metric, dossier.candidate.version
    if newest is None:
        if other in (None, version):
            return None
        none = NONE_NEWER.format(version, other)
        return DecidingFigure("On newer batches", "none yet", none)
    value, theirs = newest.own.metrics[metric], newest.live.metrics[metric]
    which = sense(metric, value, theirs)
    return DecidingFigure(
        "On the newest batch",
        change(metric, value, theirs),
        f"{'as' if which is Sense.SAME else 'than'} version {newest.live.version}, "
        f"batch {newest.name}, {_rows(newest.own.rows)}",
        which,
    )


def _worst_segment(
    slices: Sequence[Slice], error: str, labels: Mapping[str, str]
) -> DecidingFigure | None:
    """The segment whose error grew most; batches are shown elsewhere and checked by no gate."""
    compared = [
        (improvement(error, s.candidate, s.champion), s, s.champion)
        for s in slices
        if s.champion is not None and s.by != BATCH
    ]
    if not compared:
        return None
    gain, worst, before = min(compared, key=lambda entry: entry[0])
    segments = formatting.count(len(compared), "segment")
    if gain >= 0:
        return DecidingFigure("Worst segment", "none is worse", f"{segments} compared")
    significant = worst.difference and certainty(error, worst.difference) is Sense.WORSE
    which = Sense.WORSE if significant else Sense.SAME
    says = f"{labels.get(worst.by, worst.by)} {worst.value}, {_rows(worst.rows)}"
    return DecidingFigure(
        "Worst segment", change(error, worst.candidate, before),
        says if significant else f"{says}, not significant", which,
    )  # fmt: skip


def _gains_least(
    dossier: Dossier, other: Mapping[str, float], whose: str, unit: str
) -> DecidingFigure | None:
    """Of the other metrics that a gate checks, the one that gains least."""
    mine = dossier.candidate.metrics
    checked = [
        name
        for name in other
        if name in mine and name not in (dossier.primary_metric, *INFORMS, *OF_LABELS)
    ]
    least = min(checked, key=lambda n: improvement(n, mine[n], other[n]), default="")
    return _metric(dossier, least, other, whose, unit)


def _rows(number: int) -> str:
    return formatting.count(number, "row")
