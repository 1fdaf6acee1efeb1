"""The drift rule: two profiles and their limits to a report. Pure.

The rule is the original pipeline's `compare_batch`: for mean, std, 50 % and 75 % of each
numeric column, |new - previous| / |previous|, and retraining is required when any of them is
strictly above its limit. Unlike the original, a reference of zero or null gives *undefined*
instead of infinity, and it is never a breach. Where every change is undefined, nothing was
compared, and the report says that instead of "no drift".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from core.domain.dataset import STATISTICS, Column, Dataset
from core.domain.drift import DriftReport, Finding, Reason, StatChange
from core.domain.number_format import figure, percent
from core.domain.profiles import ColumnProfile
from core.rules.drift.thresholds import judged

QUANTILES = {"50": 0.5, "75": 0.75}
"""The statistics that are quantiles, and their levels."""

WORDS = {"mean": "mean", "std": "spread (std)", "50": "median", "75": "upper quartile"}
"""The statistics' names in sentences and titles."""


def compare(
    reference: Iterable[ColumnProfile] | None, current: Iterable[ColumnProfile], dataset: Dataset
) -> DriftReport:
    """Compare `current` with `reference`, column by column and statistic by statistic.

    Changes come statistic by statistic, then in column order, as in the original's table.
    Without a reference there is nothing to compare, and retraining is required: the batch is the
    first one, or those before it have no rows or are held. A batch without values requires nothing.
    """
    after = {p.column: p for p in current}
    if reference is None:
        if not any(p.count for p in after.values()):
            return DriftReport(
                False, (Reason("Nothing could be compared: this batch has no values."),), ()
            )
        reason = Reason("No earlier batch has rows to compare it with, so training is needed.")
        return DriftReport(True, (reason,), ())
    before = {p.column: p for p in reference}
    changes = tuple(
        change(column, statistic, before.get(column.name), after.get(column.name))
        for statistic in STATISTICS
        for column in dataset.compared
    )
    breaches = sorted(
        (c for c in changes if c.finding is Finding.BREACH),
        key=lambda c: (c.ratio or 0.0) / c.limit,
        reverse=True,
    )
    reasons = tuple(Reason(in_words(c, dataset.column(c.column)), c.name) for c in breaches)
    calm = Reason(_calm(before, after, changes, dataset))
    return DriftReport(bool(breaches), reasons or (calm,), changes)


def _calm(
    before: Mapping[str, ColumnProfile],
    after: Mapping[str, ColumnProfile],
    changes: Sequence[StatChange],
    dataset: Dataset,
) -> str:
    """The reason of a report without a breach, and how much could not be compared."""
    undefined = sum(c.ratio is None for c in changes)
    if not undefined:
        return "Every statistic is within its limit."
    if undefined < len(changes):
        new = list(dict.fromkeys(c.column for c in changes if _is_new(c.column, before, after)))
        named = ", ".join(dataset.column(c).label for c in new)
        why = f": {named} {'has' if len(new) == 1 else 'have'} no earlier values" * bool(new)
        return (
            "Every statistic that could be compared is within its limit; "
            f"{undefined} of {len(changes)} could not be{why}."
        )
    sides = {"the reference": before, "this batch": after}
    empty = [side for side, seen in sides.items() if not any(p.count for p in seen.values())]
    why = (
        f"{' and '.join(empty)} has no values" if empty else "no statistic is defined on both sides"
    )
    return f"Nothing could be compared: {why}."


def _is_new(
    column: str, before: Mapping[str, ColumnProfile], after: Mapping[str, ColumnProfile]
) -> bool:
    """Whether the batch has values of a column and the reference has none."""
    now, then = after.get(column), before.get(column)
    return bool(now and now.count) and not (then and then.count)


def change(
    column: Column,
    statistic: str,
    reference: ColumnProfile | None,
    current: ColumnProfile | None,
) -> StatChange:
    """The change of one statistic of one column against that column's limit."""
    limit = column.limits[statistic]
    then = reference.statistic(statistic) if reference else None
    now = current.statistic(statistic) if current else None
    ratio = _ratio(then, now)
    error = _error(ratio, reference, current) if statistic in QUANTILES else 0.0
    finding = judged(ratio, limit)
    return StatChange(column.name, statistic, then, now, ratio, limit, finding, error=error)


def _ratio(then: float | None, now: float | None) -> float | None:
    if then is None or now is None or then == 0:
        return None
    ratio = abs((now - then) / then)
    return ratio if math.isfinite(ratio) else None


def _error(
    ratio: float | None, reference: ColumnProfile | None, current: ColumnProfile | None
) -> float:
    """How far a ratio of quantiles is off at most, from how far they are."""
    if ratio is None or reference is None or current is None:
        return 0.0
    return (1 + ratio) * (reference.error + current.error) / (1 - current.error)


def in_words(change: StatChange, column: Column) -> str:
    """One breach as a sentence, such as "Price, mean rose 20.0 % (limit 15 %): from 5 to 6 USD"."""
    named = f"{column.label}, {WORDS[change.statistic]}"
    if change.ratio is None or change.current is None or change.reference is None:
        return f"{named} is undefined: there is no value to compare with."
    verb = "rose" if change.current > change.reference else "fell"
    unit = f" {column.unit}" if column.unit else ""
    return (
        f"{named} {verb} {percent(change.ratio)} (limit {change.limit * 100:g} %): "
        f"from {figure(change.reference)} to {figure(change.current)}{unit}."
    )
