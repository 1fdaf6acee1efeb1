"""Statistics of ascending values: quantiles, extremes, and a mean and deviation without rounding.

Ascending values are an array, or bins that stand for one.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.rules.data.value_bins import ValueBins

LEVELS = tuple(i / 100 for i in range(101))
"""The quantile levels of a profile's grid."""

KEPT_EXTREMES = 64
"""How many of a numeric column's smallest, and of its largest, values a profile keeps."""

ROUNDING = 2.0**-50
"""What is smaller than this share of the values is rounding: four times a float's step."""

_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")


def mean_of(values: NDArray[np.float64], ordered: NDArray[np.float64]) -> float:
    """The mean; 0 if it is only rounding. Of `ordered` only the ends count."""
    low, high = float(ordered[0]), float(ordered[-1])
    size = max(abs(low), abs(high))
    if low == high or not size:
        return low
    with np.errstate(over="ignore", invalid="ignore"):
        mean, spread = float(np.mean(values)), float(np.mean(np.abs(values)))
    if not np.isfinite([mean, spread]).all():  # the sum overflows, the mean does not
        share = values / size
        mean, spread = float(np.mean(share)) * size, float(np.mean(np.abs(share))) * size
    # A sum of n values may be off by some log2(n) steps of a float.
    noise = ROUNDING * spread * max(np.log2(len(values)), 1.0)
    return 0.0 if abs(mean) <= noise else min(max(mean, low), high)


def deviation_of(values: NDArray[np.float64], ordered: NDArray[np.float64]) -> float | None:
    """The standard deviation (ddof 1); None for a single value, or if it overflows."""
    if len(values) < 2:  # noqa: PLR2004
        return None
    low, high = float(ordered[0]), float(ordered[-1])
    if low == high:
        return 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = float(np.std(values, ddof=1))
        noise = high - low <= ROUNDING * max(abs(low), abs(high))
    if not np.isfinite(deviation):
        return None
    return 0.0 if noise else deviation


def split_ends(
    ordered: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The smallest values, the rest and the largest ones."""
    if len(ordered) <= 2 * KEPT_EXTREMES:
        half = len(ordered) // 2
        return ordered[:half], ordered[:0], ordered[half:]
    low, rest, high = np.split(ordered, [KEPT_EXTREMES, len(ordered) - KEPT_EXTREMES])
    return low, rest, high


def step_at(
    ordered: NDArray[np.float64] | ValueBins, value: float
) -> tuple[float, float, float, float]:
    """The shares of rows below and up to a value, and the values before and after it."""
    below, up_to = (int(ordered.searchsorted(value, side)) for side in _SIDES)
    last = len(ordered) - 1
    return (
        below / len(ordered),
        up_to / len(ordered),
        float(ordered[max(below - 1, 0)]),
        float(ordered[min(up_to, last)]),
    )


def quantiles_at(
    ordered: NDArray[np.float64] | ValueBins, levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The quantiles at levels from 0 to 1, interpolated between neighbouring values."""
    place = levels * (len(ordered) - 1)
    below = np.floor(place).astype(np.intp)
    above = np.minimum(below + 1, len(ordered) - 1)
    low, high = ordered[below], ordered[above]
    part = place - below
    with np.errstate(over="ignore"):
        way = high - low
    # Between the largest floats of both signs the difference overflows.
    inside = low + np.where(np.isfinite(way), way, 0.0) * part
    quantiles = np.where(np.isfinite(way), inside, low * (1 - part) + high * part)
    noise = ROUNDING * np.maximum(np.abs(low), np.abs(high))
    quantiles[(np.abs(quantiles) <= noise) & (low < 0) & (high > 0)] = 0.0
    return quantiles
