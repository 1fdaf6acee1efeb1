"""A numeric column's statistics in bounded memory, whatever the number of its rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.domain.profiles import ColumnProfile, Tails
from core.rules.data.moments import Moments, moments, pooled
from core.rules.data.order_statistics import (
    LEVELS,
    ROUNDING,
    mean_of,
    quantiles_at,
    split_ends,
    step_at,
)
from core.rules.data.value_bins import ValueBins


@dataclass(frozen=True, slots=True)
class NumberSummary:
    """A numeric column's values in bounded memory; the sum of two is that of all their values.

    `low` and `high` are the extremes, `rest` the moments of all other values, `bins` has all.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    rest: Moments
    bins: ValueBins

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> NumberSummary:
        """The summary of values without NaN."""
        ordered = np.sort(values)
        low, rest, high = split_ends(ordered)
        return cls(low, high, _moments(rest), ValueBins.of(ordered))

    def __add__(self, other: NumberSummary) -> NumberSummary:
        ends = np.concatenate([self.low, self.high, other.low, other.high])
        low, rest, high = split_ends(np.sort(ends))
        together = pooled([self.rest, other.rest, _moments(rest)])
        return NumberSummary(low, high, together, self.bins + other.bins)

    def profile(self, column: str, nulls: int) -> ColumnProfile:
        """As `profile_number`, with the quantiles of `bins`."""
        count, low, high = len(self.bins), float(self.low[0]), float(self.high[-1])
        grid = np.clip(quantiles_at(self.bins, np.asarray(LEVELS)), low, high)
        grid[[0, -1]] = low, high
        every = pooled([self.rest, _moments(np.concatenate([self.low, self.high]))])
        noise = ROUNDING * self.bins.mean_size * np.log2(count)
        std = float(np.sqrt(every.second * (count / (count - 1))))
        flat = high - low <= ROUNDING * max(abs(low), abs(high))
        return ColumnProfile(
            column,
            count=count,
            nulls=nulls,
            mean=0.0 if abs(every.mean) <= noise else min(max(every.mean, low), high),
            std=0.0 if flat else std if np.isfinite(std) else None,
            q50=float(grid[50]),
            q75=float(grid[75]),
            minimum=low,
            maximum=high,
            grid=tuple(grid.tolist()),
            tails=self._tails((float(grid[50]), float(grid[75]))),
            error=self.bins.error,
        )

    def _tails(self, quantiles: tuple[float, ...]) -> Tails | None:
        mean, std = self.rest.mean, float(np.sqrt(self.rest.second))
        kept = Tails(
            tuple(self.low.tolist()),
            tuple(self.high.tolist()),
            rest=self.rest.count,
            mean=mean,
            steps=tuple(step_at(self.bins, q) for q in quantiles),
        )
        low, high = float(self.low[-1]), float(self.high[0])  # the rest lies between them
        if std == 0.0 or high - low <= ROUNDING * max(abs(low), abs(high)):
            return kept
        skew, kurtosis = self.rest.third / std**3, self.rest.fourth / std**4
        if not np.isfinite([mean, std, skew, kurtosis]).all():
            return None
        return replace(kept, std=std, skew=skew, kurtosis=kurtosis)


def _moments(values: NDArray[np.float64]) -> Moments:
    return moments(values, mean_of(values, values)) if len(values) else Moments(0)
