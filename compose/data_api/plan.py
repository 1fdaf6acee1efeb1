"""The six batches of a cycle as the real service gives them, and their prices.

The figures are those measured on the real service. Prices are drawn one from each of `n` equal
slices of the distribution, which brings their mean to the plan's at any scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np

from compose.data_api.country import STATES, FloatArray

MIDDLE_SIZE = 1500.0
"""House size at which batches 0 and 1 part, in square feet."""

_FEWEST_ROWS = 60
_LOWEST = 10_000.0
_HIGHEST = 100_000_000.0
_SPREAD = 1.28  # of the logarithm of what batch 5 costs above its lowest price
_LARGEST_SHARE = 0.03  # of all the money of a batch, in the single dearest house
_EXTREME_TAIL = 6.0


@dataclass(frozen=True, slots=True)
class Plan:
    """One batch of the cycle.

    Invariants: `for_sale` is the share of rows with that status, the others are sold; the
    share in batches 3 to 5 is a guess from a sample. Sizes are in square feet, above `smallest`
    and at most `largest`.
    """

    rows: int
    for_sale: float
    states: tuple[str, ...]
    lowest: float
    highest: float
    mean: float
    smallest: float = 0.0
    largest: float = math.inf

    def rows_at(self, scale: float) -> int:
        """The number of rows at that scale, always enough to show every state."""
        return max(_FEWEST_ROWS, round(self.rows * scale))


def _without(*names: str) -> tuple[str, ...]:
    return tuple(state for state in STATES if state not in names)


PLANS = (
    Plan(
        rows=73_784,
        for_sale=1.0,
        states=_without("Massachusetts", "Virgin Islands", "Hawaii"),
        lowest=1.0,
        highest=300_000.0,
        mean=219_186.0,
        smallest=MIDDLE_SIZE,
    ),
    Plan(
        rows=94_551,
        for_sale=1.0,
        states=_without("Massachusetts", "Virgin Islands"),
        lowest=1.0,
        highest=300_000.0,
        mean=179_512.0,
        largest=MIDDLE_SIZE,
    ),
    Plan(
        rows=230_366,
        for_sale=0.0,
        states=_without("Massachusetts", "Virgin Islands", "Puerto Rico"),
        lowest=1.0,
        highest=300_000.0,
        mean=196_747.0,
    ),
    Plan(
        rows=4_055,
        for_sale=0.95,
        states=("Massachusetts",),
        lowest=10_000.0,
        highest=300_000.0,
        mean=236_810.0,
    ),
    Plan(
        rows=320_696,
        for_sale=0.7,
        states=STATES,
        lowest=300_023.0,
        highest=500_000.0,
        mean=397_339.0,
    ),
    Plan(
        rows=361_457,
        for_sale=0.66,
        states=STATES,
        lowest=500_007.0,
        highest=515_000_000.0,
        mean=1_134_678.0,
    ),
)
"""The six batches; 1,084,909 rows in all."""


def prices(plan: Plan, rows: int, rng: np.random.Generator, *, outliers: bool) -> FloatArray:
    """Prices in random order, in whole dollars.

    Invariants: inside the plan's range, their mean within 1 % of the plan's; without
    `outliers` none below 10,000 or above 100 million, with them at least one of the plan's
    lowest and one of its highest price (or of 3 % of the batch's money, where that is less).
    """
    total = plan.mean * rows
    extremes = np.empty(0)
    if outliers:
        extremes = np.array([plan.lowest, min(plan.highest, _LARGEST_SHARE * total)])
    ordinary = rows - len(extremes)
    places = (np.arange(ordinary) + rng.random(ordinary)) / ordinary
    mean = (total - extremes.sum()) / ordinary
    if plan.highest > _HIGHEST:
        drawn = _dear(plan, places, mean)
    else:
        share = (mean - plan.lowest) / (plan.highest - plan.lowest)
        drawn = plan.lowest + (plan.highest - plan.lowest) * places ** (1 / share - 1)
    low = max(plan.lowest, _LOWEST)
    high = min(plan.highest, _HIGHEST)
    drawn = np.clip(_as_asked(drawn, rng), low, high)
    return rng.permutation(np.concatenate([extremes.round(), drawn]))


def _dear(plan: Plan, places: FloatArray, mean: float) -> FloatArray:
    above = np.exp(_SPREAD * normal_quantile(places))
    drawn: FloatArray = plan.lowest + above * ((mean - plan.lowest) / above.mean())
    return drawn


def _as_asked(drawn: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Round to thousands, most of them a hundred dollars short of one, as sellers do."""
    short = np.where(rng.random(len(drawn)) < 0.6, 100.0, 0.0)  # noqa: PLR2004
    rounded: FloatArray = np.round(drawn / 1000) * 1000 - short
    return rounded


def normal_quantile(shares: FloatArray) -> FloatArray:
    """Where the standard normal distribution reaches those shares; beyond ±6 it is cut."""
    at, share = _normal_table()
    return np.interp(shares, share, at)


def normal_share(at: FloatArray) -> FloatArray:
    """The inverse of `normal_quantile`."""
    points, share = _normal_table()
    return np.interp(at, points, share)


@cache
def _normal_table() -> tuple[FloatArray, FloatArray]:
    at = np.linspace(-_EXTREME_TAIL, _EXTREME_TAIL, 4801)
    normal = NormalDist()
    return at, np.array([normal.cdf(point) for point in at])
