"""Data quality: faults that make a batch look broken rather than drifted. Pure.

Each check detects a mistake of people or pipelines: a column that is no longer filled, the same
value everywhere, another unit, another spelling. Real changes, such as new places or prices, pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from core.domain.dataset import Column, ColumnType, Dataset
from core.domain.number_format import figure, percent
from core.domain.profiles import ColumnProfile

FEWEST = 20
"""The fewest rows for a statement about a column."""

NULLS_ROSE = 0.25
"""The share of nulls may grow by this much."""

FAR_OUT = 10.0
"""The median may lie outside the reference's usual range by this many times that range."""

ABSURD = 1e8
"""A value is absurd if it is this many times the interquartile range beyond the middle half.

Real columns with long tails stay far below: the lot sizes of the course's rows reach 70,000, a
house size of 10^9 square feet in its full data a million. A single absurd value determines the
mean of its batch.
"""

KNOWN_LEFT = 0.1
"""The least share of a text column's rows with a value seen before."""

MANY = 10
"""With fewer distinct values than this, all may be new: a batch from one new place."""

REPEATED = 3
"""With fewer rows per value than this, new values are normal, as in a column of streets."""

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
"""The tolerance of a factor, in the natural logarithm: 6 %."""

_MIDDLE = slice(10, 91, 5)
"""The quantiles that are compared with factors: 10 % to 90 %."""


def faults(
    reference: Iterable[ColumnProfile], current: Iterable[ColumnProfile], dataset: Dataset
) -> tuple[str, ...]:
    """The faults of the current batch, a sentence each."""
    before = {p.column: p for p in reference}
    after = {p.column: p for p in current}
    pairs = [
        (column, before[column.name], after[column.name])
        for column in dataset.columns
        if column.name in before and column.name in after
    ]
    moved = any(_is_of_new_kinds(*pair) for pair in pairs)
    facts = [
        said
        for column in dataset.columns
        if column.type is ColumnType.NUMBER and column.name in after
        for said in _absurd(column, before.get(column.name), after[column.name])
    ]
    for column, then, now in pairs:
        if then.count >= FEWEST and now.count + now.nulls >= FEWEST:
            facts += _of_column(column, then, now, moved=moved)
    return tuple(facts)


def null_share(profile: ColumnProfile) -> float:
    """The share of rows without a value."""
    rows = profile.count + profile.nulls
    return profile.nulls / rows if rows else 0.0


def _of_column(
    column: Column, then: ColumnProfile, now: ColumnProfile, *, moved: bool
) -> Iterator[str]:
    if now.count == 0:
        yield f"{column.label} is empty in every row."
        return
    grown = null_share(now) - null_share(then)
    if grown > NULLS_ROSE:
        yield (
            f"{column.label} is empty in {percent(null_share(now))} of the rows, "
            f"up from {percent(null_share(then))}."
        )
    if now.count < FEWEST:
        return
    if column.is_text:
        yield from _of_text(column, then, now, moved=moved)
    elif column.type is ColumnType.NUMBER:
        yield from _of_number(column, then, now)


def _is_of_new_kinds(column: Column, then: ColumnProfile, now: ColumnProfile) -> bool:
    """Whether hardly any value of a column of few values was seen before, in any spelling.

    Then all rows are from another place or of another kind, which explains new values in other
    columns: a batch from one new state has new cities.
    """
    return (
        column.is_text
        and then.count >= FEWEST
        and 0 < now.distinct < MANY
        and _is_new(then, now)
        and not _is_rewritten(then, now)
    )


def _is_new(then: ColumnProfile, now: ColumnProfile) -> bool:
    """Whether hardly any row has a value that was seen before; False if not all are known."""
    if then.distinct > len(then.categories) or now.distinct > len(now.categories):
        return False
    known = sum(n for value, n in now.categories.items() if value in then.categories)
    return known < KNOWN_LEFT * now.count


def _is_rewritten(then: ColumnProfile, now: ColumnProfile) -> bool:
    """Whether most rows have a value that was seen before in another spelling."""
    folded = {_folded(value) for value in then.categories}
    written = sum(n for value, n in now.categories.items() if _folded(value) in folded)
    return written > now.count / 2


def _of_text(
    column: Column, then: ColumnProfile, now: ColumnProfile, *, moved: bool
) -> Iterator[str]:
    if not _is_new(then, now):
        return
    if _is_rewritten(then, now):
        yield f"{column.label} says what it said before in another way of writing."
    elif (
        not moved
        and min(then.distinct, now.distinct) >= MANY
        and then.count >= REPEATED * then.distinct
    ):
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


def _absurd(column: Column, then: ColumnProfile | None, now: ColumnProfile) -> Iterator[str]:
    """A sentence for each end that is absurdly far out, and beyond all values seen before.

    The usual range is the reference's, or without one the batch's own.
    """
    usual = then if then is not None and then.count >= FEWEST else now
    if usual.count < FEWEST or not usual.grid or now.minimum is None or now.maximum is None:
        return
    low, high = usual.grid[25], usual.grid[75]
    spread = (high - low) or (usual.grid[90] - usual.grid[10]) or max(abs(low), abs(high))
    if not spread:
        return
    if then is not None and then.minimum is not None and then.maximum is not None:
        low, high = min(low, then.minimum), max(high, then.maximum)
    for end, beyond in ((now.maximum, now.maximum - high), (now.minimum, low - now.minimum)):
        if beyond > ABSURD * spread:
            yield (
                f"{column.label} has the value {figure(end)}, more than {ABSURD:,.0f} times the "
                "usual spread beyond what is usual."
            )


def unit_factor(then: ColumnProfile, now: ColumnProfile) -> str:
    """The known factor by which all quantiles grew or shrank, in words; "" if there is none."""
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
