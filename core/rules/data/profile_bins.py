"""The distribution of a column, from its profile: shares of rows in bins, and outside of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.domain.profiles import ColumnProfile
from core.rules.data.order_statistics import LEVELS

BINS = 36
FEW_VALUES = 24
"""A column of at most so many distinct quantiles is shown value by value."""

_LOW, _HIGH = 1, 99
_MOSTLY = 0.9

Floats = NDArray[np.float64]
Curve = tuple[Floats, Floats]
"""A quantile function: levels and the values there, both ascending."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """Two profiles of a column over the same bins.

    `edges` has one more entry than each list of shares; for a column of few values, `values` has
    the value of each bar, and the edges lie between them. `outside` is the share of rows outside
    the bins, for each profile.
    """

    edges: tuple[float, ...]
    values: tuple[float, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]
    outside: tuple[float, float]


def share(curve: Curve, values: Floats, side: Literal["left", "right"]) -> Floats:
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
    with np.errstate(divide="ignore", invalid="ignore"):  # where the grid is flat
        part = np.where(high > low, (values - low) / (high - low), 0.0)
    shares = levels[inside_before] + part * (levels[inside_after] - levels[inside_before])
    shares = np.where(exact, levels[inside_after if side == "left" else inside_before], shares)
    return np.where(after == 0, 0.0, np.where(before >= len(grid) - 1, 1.0, shares))


def share_up_to(profile: ColumnProfile, values: Floats) -> Floats:
    """The share of rows up to and including each value, according to the quantile grid."""
    return share((np.asarray(LEVELS), np.asarray(profile.grid)), values, "right")


def overlay(
    reference: ColumnProfile, current: ColumnProfile, *, logarithmic: bool = False
) -> Overlay | None:
    """Both profiles over the same bins, from the 1 % to the 99 % quantile of either.

    None if one has no numbers, or no value is above zero on a logarithmic axis.
    """
    grids = [np.asarray(p.grid) for p in (reference, current)]
    if any(len(g) != len(LEVELS) for g in grids) or not np.isfinite(np.concatenate(grids)).all():
        return None
    middle = np.concatenate([g[_LOW : _HIGH + 1] for g in grids])
    if logarithmic:
        middle = middle[middle > 0]
        if not len(middle):
            return None
    values: Sequence[float] = ()
    distinct, times = np.unique(middle, return_counts=True)
    tied = distinct[times > 1]
    if len(tied) <= FEW_VALUES and times[times > 1].sum() >= _MOSTLY * len(middle):
        distinct = tied  # those in between are interpolated quantiles, no values
    if len(distinct) == 1:
        wide = abs(distinct[0]) * 0.5 or 0.5
        edges, values = np.array([distinct[0] - wide, distinct[0] + wide]), distinct.tolist()
    elif len(distinct) <= FEW_VALUES:
        between = (distinct[:-1] + distinct[1:]) / 2
        first, last = 2 * distinct[0] - between[0], 2 * distinct[-1] - between[-1]
        edges, values = np.array([first, *between, last]), distinct.tolist()
    elif logarithmic:
        edges = np.geomspace(distinct[0], distinct[-1], BINS + 1)
    else:
        edges = np.linspace(distinct[0], distinct[-1], BINS + 1)
    if not np.isfinite(edges).all():
        return None
    shares, outside = zip(*(_bins(p, edges) for p in (reference, current)), strict=True)
    return Overlay(
        tuple(edges.tolist()), tuple(values), shares[0], shares[1], (outside[0], outside[1])
    )


def _bins(profile: ColumnProfile, edges: Floats) -> tuple[tuple[float, ...], float]:
    # The first bin has its lower edge; a value that stands for many rows may lie on it.
    places = edges.copy()
    places[0] = np.nextafter(edges[0], -np.inf)
    shares = np.diff(share_up_to(profile, places))
    return tuple(shares.tolist()), max(1.0 - float(shares.sum()), 0.0)


def beyond(reference: ColumnProfile, current: ColumnProfile) -> tuple[float, float]:
    """The shares of current values below the reference's smallest and above its largest.

    Exact within the extremes that the profile keeps, else from the quantile grid.
    """
    if reference.minimum is None or reference.maximum is None or not current.count:
        return 0.0, 0.0
    low, high = reference.minimum, reference.maximum
    tails = current.tails
    if tails and tails.low and tails.high:
        below = sum(v < low for v in (*tails.low, *tails.high))
        above = sum(v > high for v in (*tails.low, *tails.high))
        if not tails.rest or (below < len(tails.low) and above < len(tails.high)):
            return below / current.count, above / current.count
    if len(current.grid) != len(LEVELS):
        return 0.0, 0.0
    under = np.nextafter(low, -np.inf)
    at_low, at_high = share_up_to(current, np.array([under, high]))
    return float(at_low), float(1.0 - at_high)


@dataclass(frozen=True, slots=True)
class Categories:
    """The most common new and vanished values of a text column, by share.

    The counts are None if one side has more values than its profile keeps: a value that looks new
    may only have been rare before.
    """

    new: tuple[tuple[str, float], ...]
    vanished: tuple[tuple[str, float], ...]
    new_count: int | None
    vanished_count: int | None


def categories(reference: ColumnProfile, current: ColumnProfile, most: int = 5) -> Categories:
    """The new and the vanished values."""
    new, vanished = _only(current, reference), _only(reference, current)
    counts = (len(new), len(vanished))
    if not all(p.distinct <= len(p.categories) for p in (reference, current)):
        return Categories(tuple(new[:most]), tuple(vanished[:most]), None, None)
    return Categories(tuple(new[:most]), tuple(vanished[:most]), *counts)


def _only(here: ColumnProfile, there: ColumnProfile) -> list[tuple[str, float]]:
    found = [(v, n / here.count) for v, n in here.categories.items() if v not in there.categories]
    return sorted(found, key=lambda item: (-item[1], item[0]))
