"""The drift rule: two profiles and their limits to a report. Pure.

The rule is the original pipeline's `compare_batch`: for mean, std, 50 % and 75 % of each
numeric column, |new - previous| / |previous|, and training is asked for when any of them is
strictly above its limit. Unlike the original, a reference of zero or null gives *undefined*
instead of infinity, and it is never a breach.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from core.dataset import STATISTICS, Column, Dataset
from core.records import ColumnProfile, DriftReport, Finding, StatChange, figure

_WORDS = {"mean": "mean", "std": "spread (std)", "50": "median", "75": "upper quartile (75 %)"}


def compare(
    reference: Iterable[ColumnProfile] | None, current: Iterable[ColumnProfile], dataset: Dataset
) -> DriftReport:
    """Compare `current` with `reference`, column by column and statistic by statistic.

    Changes come statistic by statistic, then in column order, as in the original's table.
    Without a reference there is nothing to compare: the first batch of all asks for training.
    """
    if reference is None:
        return DriftReport(True, ("This is the first batch, so there is no model of it yet.",), ())
    before = {p.column: p for p in reference}
    after = {p.column: p for p in current}
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
    reasons = tuple(in_words(c, dataset.column(c.column)) for c in breaches)
    return DriftReport(
        bool(breaches), reasons or ("Every statistic is within its limit.",), changes
    )


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
    if ratio is None:
        finding = Finding.UNDEFINED
    else:
        finding = Finding.BREACH if ratio > limit else Finding.WITHIN
    return StatChange(column.name, statistic, then, now, ratio, limit, finding)


def _ratio(then: float | None, now: float | None) -> float | None:
    if then is None or now is None or then == 0:
        return None
    ratio = abs((now - then) / then)
    return ratio if math.isfinite(ratio) else None


def in_words(change: StatChange, column: Column) -> str:
    """One breach as a sentence, such as "price_mean rose 21.3 % (limit 15 %): …"."""
    if change.ratio is None or change.current is None or change.reference is None:
        return f"{change.name} is undefined: there is no value to compare with."
    verb = "rose" if change.current > change.reference else "fell"
    unit = f" {column.unit}" if column.unit else ""
    return (
        f"{change.name} {verb} {change.ratio * 100:,.1f} % (limit {change.limit * 100:g} %): "
        f"the {_WORDS[change.statistic]} went from {figure(change.reference)} "
        f"to {figure(change.current)}{unit}."
    )
