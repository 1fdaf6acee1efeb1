"""The shape of a column, from its profile alone: shares of rows in bins, and what lies outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.profile import LEVELS
from core.records import ColumnProfile

BINS = 36
FEW_VALUES = 24
"""A column of at most so many distinct quantiles is shown value by value."""

_LOW, _HIGH = 1, 99
_MOSTLY = 0.9

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Overlay:
    """Two columns over the same bins.

    `edges` has one more entry than each list of shares; for a column of few values `values` has
    what each bar stands for, and the edges lie between them. `outside` is the share of rows
    beyond the bins, for each of the two.
    """

    edges: tuple[float, ...]
    values: tuple[float, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]
    outside: tuple[float, float]


def share_up_to(profile: ColumnProfile, places: Floats) -> Floats:
    """The share of rows at or below each place, as the quantile grid has it."""
    grid, levels = np.asarray(profile.grid), np.asarray(LEVELS)
    last = np.searchsorted(grid, places, side="right") - 1
    below, above = np.clip(last, 0, None), np.clip(last + 1, None, len(grid) - 1)
    low, high = grid[below], grid[above]
    part = np.zeros(len(places))
    inside = high > low
    part[inside] = (places[inside] - low[inside]) / (high[inside] - low[inside])
    share = levels[below] + np.clip(part, 0.0, 1.0) * (levels[above] - levels[below])
    return np.where(last < 0, 0.0, np.where(last >= len(grid) - 1, 1.0, share))


def overlay(
    reference: ColumnProfile, current: ColumnProfile, *, logarithmic: bool = False
) -> Overlay | None:
    """Both columns over the same bins, from the 1 % to the 99 % quantile of either.

    None where a side has no numbers, or where a logarithmic axis finds nothing above zero.
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
        distinct = tied  # what lies between two of them is how quantiles are read, no value
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

    Exact as far as the profile keeps single values, and read off the quantile grid beyond that.
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
    """What became of a text column's values: the most common new and vanished ones, by share.

    The counts are None where a side has more values than its profile keeps: then what looks
    new may only have been rare.
    """

    new: tuple[tuple[str, float], ...]
    vanished: tuple[tuple[str, float], ...]
    new_count: int | None
    vanished_count: int | None


def categories(reference: ColumnProfile, current: ColumnProfile, most: int = 5) -> Categories:
    """The values that came and went."""
    new = _only(current, reference)
    vanished = _only(reference, current)
    return Categories(
        tuple(new[:most]),
        tuple(vanished[:most]),
        len(new) if _whole(reference) and _whole(current) else None,
        len(vanished) if _whole(reference) and _whole(current) else None,
    )


def _only(here: ColumnProfile, there: ColumnProfile) -> list[tuple[str, float]]:
    found = [(v, n / here.count) for v, n in here.categories.items() if v not in there.categories]
    return sorted(found, key=lambda item: (-item[1], item[0]))


def _whole(profile: ColumnProfile) -> bool:
    return profile.distinct <= len(profile.categories)
