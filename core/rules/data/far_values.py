"""Values of a column that lie absurdly far outside the former range: broken cells, no drift. Pure.

One such value decides the mean and the spread of its batch, and no test can tell it from noise: by
a random division of all rows it could have come to either side. It is a fact about the data, and is
said as one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from core.domain.dataset import Column, ColumnType, Dataset
from core.domain.number_format import figure
from core.domain.profiles import ColumnProfile

FAR_OUTSIDE = "far outside the former range"
"""The words that each such fact has."""

WIDTHS = 10.0
"""A value is far out if it is this many times the width of the former range beyond it."""

CHANCE = 0.005
"""It is not far out if the former values' own tail has one like it with at least this chance.

A column with a long tail, such as of lot sizes, has a new largest value now and then.
"""

_TAIL = 0.1
"""The share of the former values that are taken for the tail."""

_FEWEST, _FEWEST_OF_TAIL = 20, 10
"""The fewest former values, and the fewest of their tail, for a statement about new ones."""

_NAMED = 3
"""The most values that a sentence names."""


@dataclass(frozen=True, slots=True)
class FarValues:
    """The far values of a column: `count` of its `rows`, at least that many if `is_least`.

    `low` and `high` are the ends of the former range, `values` the farthest of the far ones.
    """

    column: str
    label: str
    unit: str
    count: int
    rows: int
    low: float
    high: float
    values: tuple[float, ...]
    is_least: bool = False

    @property
    def fact(self) -> str:
        """What is the matter, without the column."""
        lie = "lies" if self.count == 1 else "lie"
        unit = f" {self.unit}" if self.unit else ""
        named = ", ".join(map(figure, self.values[:_NAMED]))
        if len(self.values) > _NAMED:
            named = f"such as {named}"
        return (
            f"{self._count} of {self.rows:,} values {lie} {FAR_OUTSIDE} "
            f"{figure(self.low)} to {figure(self.high)}{unit}: {named}."
        )

    @property
    def short(self) -> str:
        """The fact without what is said above it."""
        return (
            f"{self._count} of {self.rows:,} values far outside, such as {figure(self.values[0])}"
        )

    @property
    def _count(self) -> str:
        return f"{'at least ' if self.is_least else ''}{self.count:,}"

    @property
    def says(self) -> str:
        """The fact with the column's title."""
        return f"{self.label}: {self.fact}"


def far_values(
    reference: Iterable[ColumnProfile], current: Iterable[ColumnProfile], dataset: Dataset
) -> tuple[FarValues, ...]:
    """The columns of numbers with values far outside of the reference's range."""
    before = {p.column: p for p in reference}
    after = {p.column: p for p in current}
    seen = (
        _of_column(column, before[column.name], after[column.name])
        for column in dataset.columns
        if column.type is ColumnType.NUMBER and column.name in before and column.name in after
    )
    return tuple(far for far in seen if far)


def _of_column(column: Column, then: ColumnProfile, now: ColumnProfile) -> FarValues | None:
    """None also if half of the values are outside: then no cells are broken, the column moved."""
    low, high = then.minimum, then.maximum
    if low is None or high is None or then.count < _FEWEST or not then.tails or not now.tails:
        return None
    room = WIDTHS * (high - low)
    if not 0 < room < math.inf:
        return None
    sides = (now.tails.low, now.tails.high)
    outside = [[v for v in side if not low - room <= v <= high + room] for side in sides]
    farthest = sorted((v for side in outside for v in side), key=lambda v: -max(low - v, v - high))
    far = [v for v in farthest if _chance(then, now.count, v) < CHANCE]
    middle = now.q50
    if not far or middle is None or not low <= middle <= high:
        return None
    is_least = bool(now.tails.rest) and any(
        side and len(out) == len(side) for side, out in zip(sides, outside, strict=True)
    )
    distinct = tuple(dict.fromkeys(far))
    unit = column.unit or ""
    return FarValues(
        column.name, column.label, unit, len(far), now.count, low, high, distinct, is_least
    )


def _chance(then: ColumnProfile, rows: int, value: float) -> float:
    """About how many of so many new rows the former tail would have as far out as this value.

    The tail is taken for a power law, the longest that is common, whose exponent has the
    distribution that Hill's estimate (Annals of Statistics 3, 1975) implies. One more value, twice
    as far out as the tail begins, stands for what few former values do not show.
    """
    middle = then.q50
    if not then.tails or middle is None:
        return 1.0
    away = sorted((abs(v - middle) for v in (*then.tails.low, *then.tails.high)), reverse=True)
    size = min(max(int(_TAIL * then.count), _FEWEST_OF_TAIL), len(then.tails.high), len(away) - 1)
    tail = [distance for distance in away[: size + 1] if distance > 0]
    if not tail:
        return 1.0
    start, size = tail[-1], len(tail)
    spread = math.log(2) + sum(math.log(distance / start) for distance in tail)
    beyond = math.log(abs(value - middle) / start)
    return rows * size / then.count * math.exp(-size * math.log1p(beyond / spread))
