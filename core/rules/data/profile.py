"""Profiles: the statistics of each column that make comparisons possible without the rows.

Quantiles use linear interpolation between order statistics, `std` divides by n - 1: both as
`pandas.DataFrame.describe` does, so that ratios equal the original pipeline's. Above `EXACT_ROWS`
the order statistics come from bins, and the profile says how far off they are at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from heapq import nsmallest

import numpy as np
from numpy.typing import NDArray

from core.domain.dataset import Dataset
from core.domain.profiles import ColumnProfile, Tails
from core.rules.data.number_summary import NumberSummary
from core.rules.data.order_statistics import (
    LEVELS,
    deviation_of,
    mean_of,
    quantiles_at,
    split_ends,
    step_at,
)
from core.rules.data.text_counts import TextCounts, bound

EXACT_ROWS = 500_000
"""Up to so many rows of a batch quantiles are exact: 4 MB for each column of numbers.

The course's largest batch has 361,457.
"""

_EXACT_VALUES = 25_000_000
"""How many numbers all columns hold at most, 200 MB: above 50 columns fewer rows are exact."""

KEPT_CATEGORIES = 200
"""How many of a text column's values a profile counts; the most common ones."""


def profile_number(column: str, values: NDArray[np.float64]) -> ColumnProfile:
    """Profile a numeric column; NaN stands for null.

    One sort serves every quantile, at about 14 ns a value. Every figure is finite; a deviation
    beyond the largest float is None. A figure that is only rounding compared with its values is 0,
    so a constant column has no deviation and rounding is never compared.
    """
    present = values[~np.isnan(values)]
    nulls = len(values) - len(present)
    if len(present) == 0:
        return ColumnProfile(column, count=0, nulls=nulls)
    ordered = np.sort(present)
    grid = quantiles_at(ordered, np.asarray(LEVELS))
    return ColumnProfile(
        column,
        count=len(present),
        nulls=nulls,
        mean=mean_of(present, ordered),
        std=deviation_of(present, ordered),
        q50=float(grid[50]),
        q75=float(grid[75]),
        minimum=float(ordered[0]),
        maximum=float(ordered[-1]),
        grid=tuple(float(q) for q in grid),
        tails=_tails(ordered, (float(grid[50]), float(grid[75]))),
    )


def _tails(ordered: NDArray[np.float64], quantiles: tuple[float, ...]) -> Tails | None:
    """The extremes as values, the rest as moments; None if the moments overflow."""
    low, rest, high = split_ends(ordered)
    kept = Tails(
        tuple(low.tolist()),
        tuple(high.tolist()),
        rest=len(rest),
        steps=tuple(step_at(ordered, q) for q in quantiles),
    )
    if len(rest) == 0:
        return kept
    with np.errstate(over="ignore", invalid="ignore"):
        mean = mean_of(rest, rest)
        away = rest - mean
        squares = away * away
        std = float(np.sqrt(np.mean(squares)))
        if std == 0.0 or deviation_of(rest, rest) == 0.0:
            return replace(kept, mean=mean)
        skew = float(np.mean(squares * (away / std)) / std**2)
        kurtosis = float(np.mean((squares / std**2) ** 2))
    if not np.isfinite([mean, std, skew, kurtosis]).all():
        return None
    return replace(kept, mean=mean, std=std, skew=skew, kurtosis=kurtosis)


class NumberColumn:
    """Collects a numeric column: the values themselves up to `most`, then a summary of them."""

    def __init__(self, name: str, most: int | None) -> None:
        self._name = name
        self._most = most
        self._chunks: list[NDArray[np.float64]] = []
        self._held = 0
        self._nulls = 0
        self._summary: NumberSummary | None = None

    def add(self, values: NDArray[np.float64]) -> None:
        """Take in one chunk; NaN stands for null."""
        present = values[~np.isnan(values)]
        self._nulls += len(values) - len(present)
        self._chunks.append(present)
        self._held += len(present)
        if self._most is not None and self._held > self._most:
            self._summary = self._summarized()

    def profile(self) -> ColumnProfile:
        """The profile of all chunks."""
        if self._summary is None:
            values = np.concatenate(self._chunks) if self._chunks else np.empty(0)
            return replace(profile_number(self._name, values), nulls=self._nulls)
        self._summary = self._summarized()
        with np.errstate(over="ignore", invalid="ignore"):
            return self._summary.profile(self._name, self._nulls)

    def _summarized(self) -> NumberSummary:
        with np.errstate(over="ignore", invalid="ignore"):
            new = NumberSummary.of(np.concatenate([np.empty(0), *self._chunks]))
            self._chunks, self._held = [], 0
            return new if self._summary is None else self._summary + new


def profile_text(column: str, counts: Mapping[str, int], nulls: int) -> ColumnProfile:
    """Profile a text column from the count of each value."""
    common = nsmallest(KEPT_CATEGORIES, counts.items(), key=lambda item: (-item[1], item[0]))
    return ColumnProfile(
        column,
        count=sum(counts.values()),
        nulls=nulls,
        categories=dict(common),
        distinct=len(counts),
    )


def _profile_lowered(column: str, texts: TextCounts) -> ColumnProfile:
    return replace(
        profile_text(column, texts.counts, texts.nulls),
        count=texts.count,
        distinct=texts.distinct,
        error=texts.lowered / max(texts.count, 1),
    )


class Profiler:
    """Collects a batch chunk by chunk and profiles it at the end.

    It holds at most `EXACT_ROWS` values of each numeric column, or bins of them, and `MOST_TEXTS`
    texts, never the rows. `exact` lifts these bounds, for rows that are in memory anyway.
    """

    def __init__(self, dataset: Dataset, *, exact: bool = False) -> None:
        self._exact = exact
        self._texts = {c.name: TextCounts() for c in dataset.columns if c.is_text}
        self._classes = {c.name: TextCounts() for c in dataset.columns if c.is_class}
        names = [c.name for c in dataset.columns if not c.is_text]
        most = min(EXACT_ROWS, _EXACT_VALUES // max(len(names), 1))
        self._numbers = {name: NumberColumn(name, None if exact else most) for name in names}

    def add(self, column: str, values: NDArray[np.float64] | Iterable[str | None]) -> None:
        """Take in one chunk of one column; NaN or None stand for null.

        Texts may also come as a mapping of each to how many there are. Numbers that are classes are
        counted by their labels, too.
        """
        if column in self._numbers:
            numbers = np.asarray(values, dtype=np.float64)
            self._numbers[column].add(numbers)
            if column not in self._classes:
                return
            self._classes[column].add(_labels(numbers))
        else:
            self._texts[column].add(values)
        if not self._exact:
            bound([*self._texts.values(), *self._classes.values()])

    def finish(self) -> tuple[ColumnProfile, ...]:
        """The profiles of all columns seen."""
        numbers = [column.profile() for column in self._numbers.values()]
        texts = [_profile_lowered(name, c) for name, c in self._texts.items()]
        return (*map(self._with_classes, numbers), *texts)

    def _with_classes(self, profile: ColumnProfile) -> ColumnProfile:
        """The profile of a number, with the counts of its labels where they are classes."""
        if profile.column not in self._classes:
            return profile
        labels = _profile_lowered(profile.column, self._classes[profile.column])
        error = max(labels.error, profile.error)
        return replace(profile, categories=labels.categories, distinct=labels.distinct, error=error)


def _labels(numbers: NDArray[np.float64]) -> dict[str, int]:
    """How many rows there are of each class that is a whole number."""
    whole = numbers[np.isfinite(numbers) & (numbers == np.round(numbers))] + 0.0
    values, counts = np.unique(whole, return_counts=True)
    return {f"{v:.0f}": n for v, n in zip(values.tolist(), counts.tolist(), strict=True)}
