"""Each column's drift, weighted by its importance to the champion. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from core.domain.dataset import Dataset
from core.domain.drift import DriftReport, Measured, StatChange, distorts

MATTERS = 0.01
"""The least importance: shuffling the column raises the champion's error by this share."""

MOST_TIMES = 10.0
"""The most that drift counts, in multiples of its limit."""

Check = StatChange | Measured


@dataclass(frozen=True, slots=True)
class ColumnWeight:
    """A column's drift and its importance to the champion.

    `drift` is the largest multiple of a limit that could not be noise, at most 10; `importance` is
    the relative rise of the error when the column is shuffled, None if unknown. `unseen` says that
    the batch has values that the reference never had, whose importance cannot be measured. `weight`
    is drift times importance, or the drift alone. `by` is the statistic or the measure that drifted
    most; older records do not name it.
    """

    column: str
    label: str
    drift: float
    importance: float | None
    is_target: bool
    weight: float
    unseen: bool = False
    by: str = ""

    @property
    def matters(self) -> bool:
        """Whether it is drift beyond noise in an important feature or in the target, or unseen."""
        has_importance = self.importance is not None and not self.is_target and not self.unseen
        return self.drift > 1 and (not has_importance or (self.importance or 0.0) >= MATTERS)


def rank(
    checks: Iterable[Check],
    importance: Mapping[str, float] | None,
    dataset: Dataset,
    far: Collection[str] = (),
) -> tuple[ColumnWeight, ...]:
    """The watched columns by drift times importance, largest first.

    The target has no importance of its own; it counts as much as the most important column, and so
    does a column with values that its reference never had. Columns in `far`, which have values far
    outside the former range, come first, and what these values change counts as drift.
    """
    drifted = dict.fromkeys((c.name for c in dataset.watched), 0.0)
    most_by = dict.fromkeys(drifted, (0.0, ""))
    real = [
        c
        for c in checks
        if c.column in drifted and c.known and (distorts(c, far) or not c.within_band)
    ]
    for c in real:
        drifted[c.column] = max(drifted[c.column], min(c.drift, MOST_TIMES))
        figure = c.statistic if isinstance(c, StatChange) else c.measure.value
        most_by[c.column] = max(most_by[c.column], (c.drift, figure))
    new = {c.column for c in real if isinstance(c, Measured) and c.unseen and c.drift > 1}
    new |= {column for column in far if drifted.get(column, 0.0) > 1}
    most = max([*(importance or {}).values(), 0.0]) or 1.0
    weights = []
    for column in dataset.watched:
        name, is_target = column.name, column.name == dataset.target.name
        known = (importance or {}).get(name)
        counted = most if importance and (is_target or name in new) else known
        drift = drifted[name]
        weight = drift * (1.0 if counted is None else max(counted, 0.0))
        weights.append(
            ColumnWeight(
                name, column.label, drift, known, is_target, weight, name in new, most_by[name][1]
            )
        )
    return tuple(sorted(weights, key=lambda w: (w.column not in far, -w.weight, -w.drift)))


def of_report(
    report: DriftReport, importance: Mapping[str, float] | None, dataset: Dataset
) -> tuple[ColumnWeight, ...]:
    """The columns by their drift from the one reference of this report.

    A recommendation ranks them by their drift from every reference together.
    """
    far = {c.column for c in report.checks if c.name in report.by_far_values}
    return rank(report.checks, importance, dataset, far)


def importance_in(columns: Iterable[ColumnWeight]) -> dict[str, float] | None:
    """The importance of the columns, as it was ranked by; None if it was unknown."""
    known = {w.column: w.importance for w in columns if w.importance is not None}
    return known or None
