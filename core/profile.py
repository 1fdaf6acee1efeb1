"""Rows to profiles: what is kept of each column so that no comparison needs the rows again.

Quantiles use linear interpolation between order statistics, `std` divides by n - 1: both as
`pandas.DataFrame.describe` does, so that ratios equal the original pipeline's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from heapq import nsmallest

import numpy as np
from numpy.typing import NDArray

from core.dataset import ColumnType, Dataset
from core.records import ColumnProfile, Tails

LEVELS = tuple(i / 100 for i in range(101))
"""The quantile levels of a profile's grid."""

KEPT_CATEGORIES = 200
"""How many of a text column's values a profile counts; the most common ones."""

KEPT_EXTREMES = 64
"""How many of a numeric column's smallest, and of its largest, values a profile keeps."""


def profile_number(column: str, values: NDArray[np.float64]) -> ColumnProfile:
    """Profile a numeric column; NaN stands for null.

    One sort serves every quantile; about 14 ns a value is what a sort costs.
    """
    present = values[~np.isnan(values)]
    nulls = len(values) - len(present)
    if len(present) == 0:
        return ColumnProfile(column, count=0, nulls=nulls)
    ordered = np.sort(present)
    grid = _quantiles(ordered, np.asarray(LEVELS))
    return ColumnProfile(
        column,
        count=len(present),
        nulls=nulls,
        mean=float(np.mean(present)),
        std=float(np.std(present, ddof=1)) if len(present) > 1 else None,
        q50=float(grid[50]),
        q75=float(grid[75]),
        minimum=float(ordered[0]),
        maximum=float(ordered[-1]),
        grid=tuple(float(q) for q in grid),
        tails=_tails(ordered, (float(grid[50]), float(grid[75]))),
    )


def _tails(ordered: NDArray[np.float64], quantiles: tuple[float, ...]) -> Tails | None:
    """The ends as they are, the rest as moments; None where those are beyond every float."""
    if len(ordered) <= 2 * KEPT_EXTREMES:
        half = len(ordered) // 2
        low, rest, high = ordered[:half], ordered[:0], ordered[half:]
    else:
        low, rest, high = np.split(ordered, [KEPT_EXTREMES, len(ordered) - KEPT_EXTREMES])
    kept = Tails(
        tuple(low.tolist()),
        tuple(high.tolist()),
        rest=len(rest),
        steps=tuple(_step(ordered, q) for q in quantiles),
    )
    if len(rest) == 0:
        return kept
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(np.mean(rest))
        away = rest - mean
        squares = away * away
        std = float(np.sqrt(np.mean(squares)))
        if std == 0.0:
            return replace(kept, mean=mean)
        skew = float(np.mean(squares * (away / std)) / std**2)
        kurtosis = float(np.mean((squares / std**2) ** 2))
    if not np.isfinite([mean, std, skew, kurtosis]).all():
        return None
    return replace(kept, mean=mean, std=std, skew=skew, kurtosis=kurtosis)


def _step(ordered: NDArray[np.float64], value: float) -> tuple[float, float, float, float]:
    """The shares of rows below and up to a value, and the values next to it."""
    below, up_to = (int(np.searchsorted(ordered, value, side)) for side in ("left", "right"))
    last = len(ordered) - 1
    return (
        below / len(ordered),
        up_to / len(ordered),
        float(ordered[max(below - 1, 0)]),
        float(ordered[min(up_to, last)]),
    )


def _quantiles(ordered: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    place = levels * (len(ordered) - 1)
    below = np.floor(place).astype(np.intp)
    above = np.minimum(below + 1, len(ordered) - 1)
    low, high = ordered[below], ordered[above]
    quantiles: NDArray[np.float64] = low + (high - low) * (place - below)
    return quantiles


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


class Profiler:
    """Collects a batch chunk by chunk and profiles it at the end.

    It holds eight bytes for each numeric value and one counter for each text column, never
    the rows.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._numbers: dict[str, list[NDArray[np.float64]]] = {}
        self._texts: dict[str, Counter[str]] = {}
        self._nulls: Counter[str] = Counter()
        for column in dataset.columns:
            if column.type in (ColumnType.NUMBER, ColumnType.DATE):
                self._numbers[column.name] = []
            else:
                self._texts[column.name] = Counter()

    def add(self, column: str, values: NDArray[np.float64] | Iterable[str | None]) -> None:
        """Take in one chunk of one column; NaN or None stand for null."""
        if column in self._numbers:
            self._numbers[column].append(np.asarray(values, dtype=np.float64))
            return
        counts = Counter(values)
        self._nulls[column] += counts.pop(None, 0)
        self._texts[column].update({v: n for v, n in counts.items() if v is not None})

    def finish(self) -> tuple[ColumnProfile, ...]:
        """The profiles of all columns seen."""
        numbers = tuple(
            profile_number(name, np.concatenate(chunks) if chunks else np.empty(0))
            for name, chunks in self._numbers.items()
        )
        texts = tuple(
            profile_text(name, counts, self._nulls[name]) for name, counts in self._texts.items()
        )
        return numbers + texts
