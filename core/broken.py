"""Whether a batch looks broken rather than drifted: faults that training would only learn. Pure.

Each check is for what people and pipelines do wrong: a column that is not filled any more, one
value everywhere, another unit, another way of writing. What a market does - other places, other
prices - passes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from core.dataset import Column, ColumnType, Dataset
from core.records import ColumnProfile

FEWEST = 20
"""Fewer rows than this show nothing about a column."""

NULLS_ROSE = 0.25
"""A share of nulls that grew by more than this many hundredths of all rows is a fault."""

FAR_OUT = 10.0
"""The middle of the data may leave the reference's usual range by this factor."""

KNOWN_LEFT = 0.1
"""The share of a text column's rows that must carry a value seen before."""

MANY = 10
"""With fewer values than this, all may be new for good reason: a batch from one new place."""

_FACTORS = {
    10.0: "10",
    24.0: "24",
    60.0: "60",
    100.0: "100",
    1000.0: "1,000",
    3600.0: "3,600",
    10_000.0: "10,000",
    100_000.0: "100,000",
    1_000_000.0: "1,000,000",
    10.764: "10.76",  # square feet to a square metre
    4046.9: "4,047",  # square metres to an acre
    43_560.0: "43,560",  # square feet to an acre
}
_SAME_FACTOR = 0.06
"""How far quantiles may be from one factor, in the natural logarithm: 6 %."""

_MIDDLE = slice(10, 91, 5)
"""The places of the grid that are looked at: 10 % to 90 %."""


def faults(
    reference: Iterable[ColumnProfile], current: Iterable[ColumnProfile], dataset: Dataset
) -> tuple[str, ...]:
    """What looks broken in the current batch, a sentence each; empty where nothing does."""
    before = {p.column: p for p in reference}
    after = {p.column: p for p in current}
    found: list[str] = []
    for column in dataset.columns:
        then, now = before.get(column.name), after.get(column.name)
        if then and now and then.count >= FEWEST and now.count + now.nulls >= FEWEST:
            found += _of_column(column, then, now)
    return tuple(found)


def null_share(profile: ColumnProfile) -> float:
    """The share of rows without a value."""
    rows = profile.count + profile.nulls
    return profile.nulls / rows if rows else 0.0


def _of_column(column: Column, then: ColumnProfile, now: ColumnProfile) -> Iterator[str]:
    if now.count == 0:
        yield f"{column.label} is empty in every row."
        return
    grown = null_share(now) - null_share(then)
    if grown > NULLS_ROSE:
        yield (
            f"{column.label} is empty in {null_share(now):.0%} of the rows, "
            f"up from {null_share(then):.0%}."
        )
    if now.count < FEWEST:
        return
    if column.is_text:
        yield from _of_text(column, then, now)
    elif column.type is ColumnType.NUMBER:
        yield from _of_number(column, then, now)


def _of_text(column: Column, then: ColumnProfile, now: ColumnProfile) -> Iterator[str]:
    if then.distinct > len(then.categories) or now.distinct > len(now.categories):
        return  # not all values are known
    known = sum(n for value, n in now.categories.items() if value in then.categories)
    if known >= KNOWN_LEFT * now.count:
        return
    folded = {_folded(value) for value in then.categories}
    written = sum(n for value, n in now.categories.items() if _folded(value) in folded)
    if written > now.count / 2:
        yield f"{column.label} says what it said before in another way of writing."
    elif min(then.distinct, now.distinct) >= MANY:
        yield f"Of {column.label}'s {now.distinct} values hardly any was ever seen before."


def _folded(value: str) -> str:
    return "".join(c for c in value.casefold() if c.isalnum()).lstrip("0")


def _of_number(column: Column, then: ColumnProfile, now: ColumnProfile) -> Iterator[str]:
    if now.minimum == now.maximum and then.minimum != then.maximum:
        yield f"{column.label} has the same value in every row."
        return
    if len(then.grid) != len(now.grid) or not then.grid:
        return
    factor = unit_factor(then, now)
    if factor:
        yield (
            f"{column.label} looks as if its unit had changed: every quantile is {factor} "
            "what it was."
        )
        return
    middle, low, high = now.grid[50], then.grid[1], then.grid[99]
    spread = high - low
    if spread > 0 and not low - FAR_OUT * spread <= middle <= high + FAR_OUT * spread:
        yield f"Half of {column.label} lies far beyond anything seen before."
    elif low > 0 and 0 <= middle < low / (FAR_OUT * FAR_OUT):
        yield f"Half of {column.label} lies far below anything seen before."


def unit_factor(then: ColumnProfile, now: ColumnProfile) -> str:
    """The factor by which all quantiles grew or shrank alike, in words; "" if there is none."""
    old, new = np.asarray(then.grid)[_MIDDLE], np.asarray(now.grid)[_MIDDLE]
    if (old * new <= 0).any():
        return ""
    logs = np.log(new / old)
    if np.ptp(logs) > 2 * _SAME_FACTOR or np.ptp(np.abs(old)) == 0:
        return ""
    middle = float(np.median(logs))
    for factor, words in _FACTORS.items():
        if abs(abs(middle) - math.log(factor)) <= _SAME_FACTOR:
            return f"{words} times" if middle > 0 else f"one part in {words} of"
    return ""
