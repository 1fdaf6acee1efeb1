"""Size, states and prices of the six batches, as measured on the real service.

Prices are sampled by stratification, one from each of `n` quantiles, so that their mean matches the
plan's at any scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from compose.data_api.country import STATES, FloatArray

MIDDLE_SIZE = 1500.0
"""House size that separates batches 0 and 1, in square feet."""

_FEWEST_ROWS = 60
_LOWEST = 10_000.0
_HIGHEST = 100_000_000.0
_SPREAD = 1.28  # standard deviation of log(price - lowest) in batch 5
_SHORT_SHARE = 0.6  # of the prices are a hundred dollars below a full thousand
_NORMAL_AT: FloatArray = np.linspace(-6, 6, 4801)
_NORMAL_SHARES: FloatArray = np.array([NormalDist().cdf(at) for at in _NORMAL_AT])


@dataclass(frozen=True, slots=True)
class Plan:
    """One batch of the cycle.

    Invariants: `for_sale` is the share of rows with that status, the others are sold;
    batches 3 to 5 have an estimate from a sample. `prices` are the lowest and the highest one.
    Sizes are in square feet, above `smallest` and at most `largest`.
    """

    rows: int
    for_sale: float
    prices: tuple[float, float]
    mean: float
    states: tuple[str, ...]
    smallest: float = 0.0
    largest: float = math.inf

    def rows_at(self, scale: float) -> int:
        """The number of rows at that scale, at least enough to include every state."""
        return max(_FEWEST_ROWS, round(self.rows * scale))


def _without(*names: str) -> tuple[str, ...]:
    return tuple(state for state in STATES if state not in names)


_CHEAP = (1.0, 300_000.0)
_MA, _VI = "Massachusetts", "Virgin Islands"

PLANS = (
    Plan(73_784, 1.0, _CHEAP, 219_186.0, _without(_MA, _VI, "Hawaii"), smallest=MIDDLE_SIZE),
    Plan(94_551, 1.0, _CHEAP, 179_512.0, _without(_MA, _VI), largest=MIDDLE_SIZE),
    Plan(230_366, 0.0, _CHEAP, 196_747.0, _without(_MA, _VI, "Puerto Rico")),
    Plan(4_055, 0.95, (10_000.0, 300_000.0), 236_810.0, (_MA,)),
    Plan(320_696, 0.7, (300_023.0, 500_000.0), 397_339.0, STATES),
    Plan(361_457, 0.66, (500_007.0, 515_000_000.0), 1_134_678.0, STATES),
)
"""The six batches; 1,084,909 rows in all."""


def prices(plan: Plan, rows: int, rng: np.random.Generator) -> FloatArray:
    """Prices in random order, in whole dollars.

    Invariants: inside the plan's range, from 10,000 to 100 million, their mean within 1 % of the
    plan's.
    """
    lowest, highest = plan.prices
    shares = (np.arange(rows) + rng.random(rows)) / rows
    if highest > _HIGHEST:  # log-normal above the lowest price
        above = np.exp(_SPREAD * normal_quantile(shares))
        drawn = lowest + above * ((plan.mean - lowest) / above.mean())
    else:  # the power of a uniform variable that has this mean
        share = (plan.mean - lowest) / (highest - lowest)
        drawn = lowest + (highest - lowest) * shares ** (1 / share - 1)
    short = np.where(rng.random(rows) < _SHORT_SHARE, 100.0, 0.0)
    asked = np.round(drawn / 1000) * 1000 - short
    return rng.permutation(np.clip(asked, max(lowest, _LOWEST), min(highest, _HIGHEST)))


def normal_quantile(shares: FloatArray) -> FloatArray:
    """Quantiles of the standard normal distribution, truncated at ±6."""
    return np.interp(shares, _NORMAL_SHARES, _NORMAL_AT)


def normal_share(at: FloatArray) -> FloatArray:
    """The standard normal distribution function, the inverse of `normal_quantile`."""
    return np.interp(at, _NORMAL_AT, _NORMAL_SHARES)
