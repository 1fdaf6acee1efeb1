"""The no-drift band: how large a ratio gets between two draws from the same data. Pure.

Were two batches drawn from the same data, any other division of all their rows into two of the
same sizes would have been as likely. So the band comes from dividing them again at random: it
needs no assumption about the tail, not even that there is a variance, and what no division can
reach is no accident of drawing. (Fisher's permutation test; Lehmann and Romano, "Testing
Statistical Hypotheses", 2005, section 15.2.) Rows are taken to be drawn one by one; batches whose
rows come in clusters differ by more than this.

The rows are gone, but the profiles have what it takes. Each side's extremes are known one by one
and are dealt out one by one. Of the rest only sums are needed, and without their extremes those
are normal, with moments that are known. Quantiles follow a beta distribution in the level
(David and Nagaraja, "Order Statistics", 2003, section 2.1), read off both grids together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from core.profile import LEVELS
from core.records import ColumnProfile, DriftReport, Tails

FALSE_ALARMS = 0.05
"""How often a report of two draws from the same data has any ratio beyond its band."""

DIVISIONS = 3999
"""How often the rows are divided again. With one more, the observed one, it makes 4,000."""

_LARGEST = 1e9
_QUANTILES = {"50": 0.5, "75": 0.75}

Floats = NDArray[np.float64]


def annotate(
    report: DriftReport, reference: Iterable[ColumnProfile], current: Iterable[ColumnProfile]
) -> DriftReport:
    """The same report with the band of each ratio, where the profiles say enough for one.

    The bands hold together: `FALSE_ALARMS` is the chance that any ratio of the report leaves its
    band though nothing changed, so each of m ratios has an m-th of it (Bonferroni).
    """
    before = {p.column: p for p in reference}
    after = {p.column: p for p in current}
    ratios = sum(c.ratio is not None for c in report.changes)
    found = {
        column: bands(before[column], after[column], FALSE_ALARMS / max(ratios, 1))
        for column in dict.fromkeys(c.column for c in report.changes if c.ratio is not None)
    }
    changes = (
        replace(c, band=found[c.column].get(c.statistic)) if c.ratio is not None else c
        for c in report.changes
    )
    return replace(report, changes=tuple(changes))


def bands(
    reference: ColumnProfile, current: ColumnProfile, false_alarms: float
) -> dict[str, float]:
    """For each statistic the ratio that is exceeded with chance `false_alarms` by drawing alone.

    Empty where a profile has no tails. The same profiles always give the same bands.
    """
    if not (reference.tails and current.tails) or min(reference.count, current.count) < 1:
        return {}
    rng = np.random.default_rng(_seed(reference, current))
    # Values at the edge of what a float holds overflow; a ratio that is none counts as far.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        drawn = _moments(reference, current, rng) | _quantiles(reference, current, rng)
    place = max(math.floor(false_alarms * (DIVISIONS + 1)), 1)
    return {
        name: min(float(np.partition(ratios, -place)[-place]), _LARGEST)
        for name, ratios in drawn.items()
    }


def _seed(reference: ColumnProfile, current: ColumnProfile) -> int:
    content = repr([(p.column, p.count, p.mean, p.std, p.grid) for p in (reference, current)])
    return int.from_bytes(blake2b(content.encode(), digest_size=8).digest(), "big")


def _ratios(then: Floats, now: Floats) -> Floats:
    """|now - then| / |then|; a division whose ratio is undefined counts as infinitely far."""
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
    shares = np.array([one.rest, other.rest]) / rest
    means = np.array([one.mean, other.mean])
    centre = float(shares @ means)
    away = means - centre
    stds = np.array([one.std, other.std])
    third = np.array([one.skew, other.skew]) * stds**3
    fourth = np.array([one.kurtosis, other.kurtosis]) * stds**4
    m2 = float(shares @ (stds**2 + away**2))
    m3 = float(shares @ (third + 3 * away * stds**2 + away**3))
    m4 = float(shares @ (fourth + 4 * away * third + 6 * away**2 * stds**2 + away**4))
    if m2 <= 0:
        scale = float(np.std(extremes)) or 1.0
        return _Pool(centre, scale, (extremes - centre) / scale, rest, 0.0, 0.0)
    scale = math.sqrt(m2)
    return _Pool(centre, scale, (extremes - centre) / scale, rest, m3 / scale**3, m4 / m2**2)


def _moments(
    reference: ColumnProfile, current: ColumnProfile, rng: np.random.Generator
) -> dict[str, Floats]:
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
    drawn = {"mean": _ratios(then[0], now[0])}
    if min(reference.count, current.count) > 1:
        drawn["std"] = _ratios(then[1], now[1])
    return drawn


def _deal(
    pool: _Pool, count_then: int, count_now: int, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Deal the rows out again: for each division what the current side gets.

    Returns how many of the rest, the sum of its values, and its sum of squares beyond what the
    rest has on average.
    """
    known = len(pool.extremes)
    share = rng.hypergeometric(count_now, count_then, known, DIVISIONS)
    lots = rng.random((DIVISIONS, known), dtype=np.float32)
    order = np.sort(lots, axis=1)
    last = np.take_along_axis(order, np.maximum(share - 1, 0)[:, None], axis=1)
    taken = ((lots <= last) & (share > 0)[:, None]).astype(np.float64)
    sums, squares = taken @ pool.extremes, taken @ pool.extremes**2
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


def _quantiles(
    reference: ColumnProfile, current: ColumnProfile, rng: np.random.Generator
) -> dict[str, Floats]:
    if len(reference.grid) != len(LEVELS) or len(current.grid) != len(LEVELS):
        return {}
    levels, values = _together(reference, current)
    drawn = {}
    for name, q in _QUANTILES.items():
        then, now = (
            rng.beta(q * (p.count - 1) + 1, (1 - q) * (p.count - 1) + 1, DIVISIONS)
            for p in (reference, current)
        )
        ratios = _ratios(np.interp(then, levels, values), np.interp(now, levels, values))
        drawn[name] = ratios + np.where(ratios > 0, _half_step(reference, name), 0.0)
    return drawn


def _half_step(profile: ColumnProfile, statistic: str) -> float:
    """Half the way to the next value, relative to the quantile.

    Rounded values move by whole steps where the grid, read in between, moves by parts of one.
    """
    value = profile.statistic(statistic)
    if not value or not profile.tails or not profile.tails.steps:
        return 0.0
    _, _, before, after = profile.tails.steps[list(_QUANTILES).index(statistic)]
    return max(value - before, after - value) / 2 / abs(value)


def _together(one: ColumnProfile, other: ColumnProfile) -> tuple[Floats, Floats]:
    """The quantile function of both sides' rows together: levels, and the values there."""
    curves = [_curve(p) for p in (one, other)]
    values = np.unique(np.concatenate([v for _, v in curves]))
    weights = np.array([one.count, other.count]) / (one.count + other.count)
    below = sum(w * _share(c, values, "left") for w, c in zip(weights, curves, strict=True))
    up_to = sum(w * _share(c, values, "right") for w, c in zip(weights, curves, strict=True))
    levels = np.maximum.accumulate(np.column_stack([below, up_to]).ravel())
    return levels, np.repeat(values, 2)


def _curve(profile: ColumnProfile) -> tuple[Floats, Floats]:
    """Levels and values of one profile, as sharp around its quantiles as it knows.

    A column of few values jumps between two of them somewhere inside a cell of the grid. Around
    the median and the upper quartile the place is known; elsewhere the middle is taken.
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


def _share(curve: tuple[Floats, Floats], values: Floats, side: str) -> Floats:
    """The share of rows below each value ("left"), or up to and including it ("right")."""
    levels, grid = curve
    if side == "left":
        after = np.searchsorted(grid, values, side="left")
        before = after - 1
    else:
        before = np.searchsorted(grid, values, side="right") - 1
        after = before + 1
    inside_before, inside_after = np.clip(before, 0, None), np.clip(after, None, len(grid) - 1)
    low, high = grid[inside_before], grid[inside_after]
    exact = high == values if side == "left" else low == values
    part = np.where(high > low, (values - low) / (high - low), 0.0)
    share = levels[inside_before] + part * (levels[inside_after] - levels[inside_before])
    share = np.where(exact, levels[inside_after if side == "left" else inside_before], share)
    return np.where(after == 0, 0.0, np.where(before >= len(grid) - 1, 1.0, share))
