"""Column profiles: the statistics of one column of one batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any


@dataclass(frozen=True, slots=True)
class Tails:
    """The extreme values of a numeric column, and the moments of all other values.

    `low` and `high` are the smallest and largest values, ascending, at most
    `core.rules.data.order_statistics.KEPT_EXTREMES` each; `rest` counts all others. Their `mean`
    and `std` (divided by n) are in the column's unit; `skew` and `kurtosis` (of a normal: 3) have
    none. `steps` describes ties at the median and the upper quartile: for each the share of rows
    below it, the share up to it, and the neighbouring values.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    rest: int = 0
    mean: float = 0.0
    std: float = 0.0
    skew: float = 0.0
    kurtosis: float = 0.0
    steps: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """The statistics of a column that outlive its rows.

    For numbers `mean`, `std` (ddof 1) and `grid` (quantiles at the levels of
    `core.rules.data.order_statistics`) are over non-null values, and None with too few;
    `categories` counts the most common values of a text column, and `distinct` all its distinct
    values. `tails` is None without numbers, and in old profiles.

    `error` is 0 for an exact profile. Else the batch was too large for one: quantiles are off by at
    most this share of their value, or the counts of `categories` are too low by at most this share
    of `count`, and there are at least `distinct` values.
    """

    column: str
    count: int
    nulls: int
    mean: float | None = None
    std: float | None = None
    q50: float | None = None
    q75: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    grid: tuple[float, ...] = ()
    categories: dict[str, int] = field(default_factory=dict)
    distinct: int = 0
    tails: Tails | None = None
    error: float = 0.0

    def statistic(self, name: str) -> float | None:
        """The value of one of `core.domain.dataset.STATISTICS`; None if undefined."""
        return {"mean": self.mean, "std": self.std, "50": self.q50, "75": self.q75}[name]

    @property
    def is_complete(self) -> bool:
        """Whether `categories` has every value of the column, with exact counts."""
        return self.distinct <= len(self.categories) and not self.error

    def finite(self) -> ColumnProfile:
        """It without figures that are not finite, which JSON and databases cannot store."""
        figures: dict[str, Any] = {
            name: None
            for name in ("mean", "std", "q50", "q75", "minimum", "maximum")
            if not math.isfinite(getattr(self, name) or 0.0)
        }
        grid = self.grid if all(map(math.isfinite, self.grid)) else ()
        tails = self.tails
        if tails:
            single = (tails.mean, tails.std, tails.skew, tails.kurtosis)
            numbers = chain(single, tails.low, tails.high, *tails.steps)
            tails = tails if all(map(math.isfinite, numbers)) else None
        return replace(self, grid=grid, tails=tails, **figures)
