"""The noise of category and null shares: their difference between samples of the same data. Pure.

The permutation test of `core.rules.drift.noise_band`: the rows of both sides are divided at random
into two groups of the same sizes. The number of a category's rows in a group has a hypergeometric
distribution; those of all categories together have a multivariate hypergeometric one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.domain.drift import Measure
from core.domain.profiles import ColumnProfile
from core.rules.drift.measures import distance, is_complete, shares

Floats = NDArray[np.float64]

_MOST_ROWS = 900_000_000
"""NumPy draws from at most 10^9 rows; more are divided in bundles, so the band is wider."""

_AT_ONCE = 500
"""The number of divisions drawn at a time: 400 categories take 10 MB."""


def draws(
    reference: ColumnProfile, current: ColumnProfile, rng: np.random.Generator, divisions: int
) -> dict[str, Floats]:
    """MIX and NEW of a column of categories, on `divisions` random divisions: [divisions] each."""
    mix, new = np.empty(divisions), np.empty(divisions)
    for start in range(0, divisions, _AT_ONCE):
        part = slice(start, min(start + _AT_ONCE, divisions))
        then, now = _divided(reference, current, rng, part.stop - part.start)
        mix[part] = distance(then, now)
        new[part] = _new(reference, current, then, now, rng)
    return {Measure.MIX: mix, Measure.NEW: new}


def nulls(
    reference: ColumnProfile, current: ColumnProfile, rng: np.random.Generator, divisions: int
) -> Floats:
    """NULLS of any column, on `divisions` random divisions: [divisions]."""
    empty, filled = reference.nulls + current.nulls, reference.count + current.count
    rows_then, rows_now = reference.count + reference.nulls, current.count + current.nulls
    bundle = 1 + (empty + filled) // _MOST_ROWS
    good, bad = empty // bundle, filled // bundle
    batch_nulls = bundle * rng.hypergeometric(
        good, bad, min(rows_now // bundle, good + bad), divisions
    )
    return np.abs(batch_nulls / rows_now - (empty - batch_nulls) / rows_then)


def _divided(
    reference: ColumnProfile, current: ColumnProfile, rng: np.random.Generator, divisions: int
) -> tuple[Floats, Floats]:
    """The rows of each category in the reference's group and in the batch's."""
    both = shares(reference, current)
    pooled = (both.reference + both.current).astype(np.int64)
    bundle = 1 + int(pooled.sum()) // _MOST_ROWS
    pooled //= bundle
    count = min(int(both.current.sum()) // bundle, int(pooled.sum()))
    batch_rows = rng.multivariate_hypergeometric(pooled, count, size=divisions, method="marginals")
    return (pooled - batch_rows).astype(np.float64), batch_rows.astype(np.float64)


def _new(
    reference: ColumnProfile,
    current: ColumnProfile,
    then: Floats,
    now: Floats,
    rng: np.random.Generator,
) -> Floats:
    """The share of the batch's rows whose category the reference's group does not have.

    Categories that the batch's profile does not keep are assumed to be equally common; each is new
    if all its rows are in the batch's group.
    """
    count_kept = then.shape[1] - 1
    new = np.where(then[:, :count_kept] == 0, now[:, :count_kept], 0.0).sum(axis=1)
    rest = float(then[0, count_kept] + now[0, count_kept])
    if rest and not is_complete(current):
        values = max(current.distinct - len(current.categories), 1)
        each = max(rest / values, 1.0)
        chance = (current.count / (current.count + reference.count)) ** each
        spread = each * np.sqrt(values * chance * (1 - chance))
        new += np.clip(rest * chance + spread * rng.standard_normal(len(new)), 0.0, rest)
    shares_of_batch: Floats = new / now.sum(axis=1)
    return shares_of_batch
