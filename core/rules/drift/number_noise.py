"""The noise of a number column's ratios: their size between samples of the same data. Pure.

The permutation test of `core.rules.drift.noise_band`, from profiles: the extremes of each side are
in the profile and are assigned to a group one by one. For the other rows only the sums are needed,
which are approximately normal with known moments. The level of a sample quantile has a beta
distribution (David and Nagaraja, "Order Statistics", 2003, section 2.1); its value is read from the
pooled quantile grids.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.drift import Measure
from core.domain.profiles import ColumnProfile, Tails
from core.rules.data.moments import Moments, pooled
from core.rules.data.order_statistics import LEVELS, ROUNDING
from core.rules.data.profile_bins import Curve, share
from core.rules.drift.compare import QUANTILES

Floats = NDArray[np.float64]

DIVISIONS = 3999
"""The number of random divisions; with the observed one they are 4,000."""


def draws(
    reference: ColumnProfile, current: ColumnProfile, rng: np.random.Generator
) -> dict[str, Floats]:
    """The ratio of each statistic, and the SHIFT, on `DIVISIONS` random divisions.

    Empty if a profile has no tails. Values near the largest float overflow; an undefined ratio
    counts as infinite.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return moments(reference, current, rng) | quantiles(reference, current, rng)


def _ratios(then: Floats, now: Floats) -> Floats:
    """|now - then| / |then|; an undefined ratio counts as infinite."""
    ratios = np.abs(now - then) / np.abs(then)
    return np.where(np.isnan(ratios), np.where(now == then, 0.0, np.inf), ratios)


# Mean and standard deviation


@dataclass(frozen=True, slots=True)
class _Pool:
    """Both sides' rows together, in units of `scale` around `centre`: extremes and the rest."""

    centre: float
    scale: float
    extremes: Floats
    rest: int
    skew: float
    kurtosis: float


def _pool(one: Tails, other: Tails) -> _Pool:
    extremes = np.array([*one.low, *one.high, *other.low, *other.high])
    rest = one.rest + other.rest
    if not rest:
        centre, scale = float(np.median(extremes)), float(np.std(extremes)) or 1.0
        return _Pool(centre, scale, (extremes - centre) / scale, 0, 0.0, 0.0)
    stds = np.array([one.std, other.std])
    third = np.array([one.skew, other.skew]) * stds**3
    fourth = np.array([one.kurtosis, other.kurtosis]) * stds**4
    rests = zip((one, other), stds**2, third, fourth, strict=True)
    together = pooled([Moments(t.rest, t.mean, *powers) for t, *powers in rests])
    centre, m2 = together.mean, together.second
    if m2 <= (ROUNDING * max(abs(one.mean), abs(other.mean))) ** 2:
        scale = float(np.std(extremes)) or 1.0
        return _Pool(centre, scale, (extremes - centre) / scale, rest, 0.0, 0.0)
    scale = math.sqrt(m2)
    return _Pool(
        centre,
        scale,
        (extremes - centre) / scale,
        rest,
        together.third / scale**3,
        together.fourth / m2**2,
    )


def moments(
    reference: ColumnProfile, current: ColumnProfile, rng: np.random.Generator
) -> dict[str, Floats]:
    """The ratios of mean and std, and the SHIFT."""
    if reference.tails is None or current.tails is None:
        return {}
    pool = _pool(reference.tails, current.tails)
    if not np.isfinite([pool.scale, pool.skew, pool.kurtosis]).all():
        return {}
    dealt, sums, squares = _deal(pool, reference.count, current.count, rng)
    spread = 1.0 if pool.kurtosis else 0.0  # of the rest, in units of the scale
    all_sums = float(pool.extremes.sum())
    all_squares = float(np.sum(pool.extremes**2)) + spread * pool.rest
    now = _describe(pool, sums, squares + spread * dealt, current.count)
    then = _describe(
        pool,
        all_sums - sums,
        np.maximum(all_squares - squares - spread * dealt, 0.0),
        reference.count,
    )
    draws_by_name = {"mean": _ratios(then[0], now[0])}
    if min(reference.count, current.count) > 1:
        draws_by_name["std"] = _ratios(then[1], now[1])
    away = np.abs(now[0] - then[0])
    unit = np.where(then[1] > 0, then[1], np.where(now[1] > 0, now[1], away))
    shift = np.where(unit > 0, away / unit, 0.0)
    draws_by_name[Measure.SHIFT] = np.where(np.isnan(shift), np.inf, shift)
    return draws_by_name


def _deal(
    pool: _Pool, count_then: int, count_now: int, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Divide the rows at random, `DIVISIONS` times.

    Returns, for the current side of each division, the number of rows other than extremes, the sum
    of all values, and the sum of their squares minus the expected sum of the other rows.
    """
    known = len(pool.extremes)
    share = rng.hypergeometric(count_now, count_then, known, DIVISIONS)
    lots = rng.random((DIVISIONS, known), dtype=np.float32)
    order = np.sort(lots, axis=1)
    last = np.take_along_axis(order, np.maximum(share - 1, 0)[:, None], axis=1)
    in_batch = ((lots <= last) & (share > 0)[:, None]).astype(np.float64)
    sums, squares = in_batch @ pool.extremes, in_batch @ pool.extremes**2
    dealt = (count_now - share).astype(np.float64)
    if pool.rest > 1 and pool.kurtosis:
        spread = np.sqrt(dealt * (pool.rest - dealt) / (pool.rest - 1))
        one, other = rng.standard_normal((2, DIVISIONS))
        sums = sums + spread * one
        free = math.sqrt(max(pool.kurtosis - 1 - pool.skew**2, 0.0))
        squares = squares + spread * (pool.skew * one + free * other)
    return dealt, sums, squares


def _describe(pool: _Pool, sums: Floats, squares: Floats, count: int) -> tuple[Floats, Floats]:
    """Mean and standard deviation (ddof 1) in the column's own unit."""
    mean = pool.centre + pool.scale * sums / count
    variance = np.maximum(squares - sums**2 / count, 0.0) / max(count - 1, 1)
    return mean, pool.scale * np.sqrt(variance)


# Quantiles


def quantiles(
    reference: ColumnProfile, current: ColumnProfile, rng: np.random.Generator
) -> dict[str, Floats]:
    """The ratios of the median and the upper quartile."""
    if len(reference.grid) != len(LEVELS) or len(current.grid) != len(LEVELS):
        return {}
    levels, values = _together(reference, current)
    draws_by_name = {}
    for name, q in QUANTILES.items():
        then, now = (
            rng.beta(q * (p.count - 1) + 1, (1 - q) * (p.count - 1) + 1, DIVISIONS)
            for p in (reference, current)
        )
        ratios = _ratios(np.interp(then, levels, values), np.interp(now, levels, values))
        draws_by_name[name] = ratios + np.where(ratios > 0, _half_step(reference, name), 0.0)
    return draws_by_name


def _half_step(profile: ColumnProfile, statistic: str) -> float:
    """Half the distance to the next value, relative to the quantile.

    Quantiles of rounded values move by whole steps, but interpolated ones by parts of a step.
    """
    value = profile.statistic(statistic)
    if not value or not profile.tails or not profile.tails.steps:
        return 0.0
    _, _, before, after = profile.tails.steps[list(QUANTILES).index(statistic)]
    return max(value - before, after - value) / 2 / abs(value)


def _together(one: ColumnProfile, other: ColumnProfile) -> Curve:
    """The quantile function of both sides' rows together."""
    curves = [_curve(p) for p in (one, other)]
    values = np.unique(np.concatenate([v for _, v in curves]))
    weights = np.array([one.count, other.count]) / (one.count + other.count)
    below = sum(w * share(c, values, "left") for w, c in zip(weights, curves, strict=True))
    up_to = sum(w * share(c, values, "right") for w, c in zip(weights, curves, strict=True))
    levels = np.maximum.accumulate(np.column_stack([below, up_to]).ravel())
    return levels, np.repeat(values, 2)


def _curve(profile: ColumnProfile) -> Curve:
    """The quantile function of one profile.

    In a column of few values it jumps inside a cell of the grid. The profile has the exact level of
    the jumps next to the median and the upper quartile; elsewhere the cell's middle is used.
    """
    levels, grid = np.asarray(LEVELS), np.asarray(profile.grid)
    steps = profile.tails.steps if profile.tails else ()
    exact = np.array([level for below, up_to, *_ in steps for level in (below, up_to)])
    tied = np.diff(grid) == 0
    beside = np.concatenate([[False], tied[:-1]]) | np.concatenate([tied[1:], [False]])
    jumps = [
        i
        for i in np.flatnonzero(beside & ~tied)
        if not ((exact >= levels[i]) & (exact <= levels[i + 1])).any()
    ]
    middle = (levels[jumps] + levels[np.add(jumps, 1, dtype=int)]) / 2 if jumps else levels[:0]
    knots = [
        *zip(levels, grid, strict=True),
        *((m, grid[i + side]) for m, i in zip(middle, jumps, strict=True) for side in (0, 1)),
        *(
            knot
            for (below, up_to, before, after), value in zip(
                steps, (profile.q50, profile.q75), strict=False
            )
            for knot in ((below, before), (below, value), (up_to, value), (up_to, after))
        ),
    ]
    at, where = np.array(knots, dtype=np.float64).T
    order = np.lexsort((at, where))
    return np.maximum.accumulate(at[order]), where[order]
