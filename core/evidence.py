"""What speaks for and against a candidate, from both models' answers on the same rows. Pure.

Both models answer the same held-out rows, so errors are compared row by row: the paired bootstrap
(Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 16) resamples rows, and a
row's two errors stay together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import NothingToTrainOn

Floats = NDArray[np.float64]

RESAMPLES = 600
"""How often rows are drawn anew; an interval goes from the 2.5 % to the 97.5 % point."""

MOVED_BY = 0.10
"""An answer that changes by more than this share has moved."""

FEWEST_IN_SLICE = 30
"""Slices of fewer rows say nothing and are left out."""

BATCH = "batch"
"""What slices by batch are called."""

_SEED = 20261124
_MOST_VALUES = 8
_SHUFFLED_ROWS = 2000
_SHUFFLES = 3
_QUARTILES = ("lowest quarter", "second quarter", "third quarter", "highest quarter")


@dataclass(frozen=True, slots=True)
class Difference:
    """Candidate minus champion in one metric, with its 95 % interval."""

    difference: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Slice:
    """Both models on some of the rows: the mean absolute error, and the interval of its difference.

    `champion` and `difference` are None where there is no champion.
    """

    by: str
    value: str
    rows: int
    candidate: float
    champion: float | None
    difference: Difference | None


def score(actual: Floats, predicted: Floats) -> dict[str, float]:
    """How good predictions are: mae, rmse (target's unit), mdape (share), r2.

    mdape is the median of |error| / |actual| over rows whose actual value is not zero.

    Raises:
        NothingToTrainOn: there are no rows to score on.
    """
    if len(actual) == 0:
        raise NothingToTrainOn("No row is held out, so nothing can be scored. Ingest more rows.")
    error = np.abs(actual - predicted)
    spread = float(np.sum((actual - actual.mean()) ** 2))
    known = actual != 0
    shares = error[known] / np.abs(actual[known])
    return {
        "mae": float(error.mean()),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "mdape": float(np.median(shares)) if known.any() else 0.0,
        "r2": 1.0 - float(np.sum(error**2)) / spread if spread else 0.0,
    }


def differences(actual: Floats, candidate: Floats, champion: Floats) -> dict[str, Difference]:
    """Every metric's difference, candidate minus champion, with its paired-bootstrap interval."""
    rng = np.random.default_rng(_SEED)
    now, before = score(actual, candidate), score(actual, champion)
    drawn: dict[str, list[float]] = {name: [] for name in now}
    for _ in range(RESAMPLES):
        rows = rng.integers(0, len(actual), len(actual))
        a = score(actual[rows], candidate[rows])
        b = score(actual[rows], champion[rows])
        for name, values in drawn.items():
            values.append(a[name] - b[name])
    return {name: _interval(now[name] - before[name], values) for name, values in drawn.items()}


def _interval(difference: float, drawn: Sequence[float]) -> Difference:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Difference(difference, float(low), float(high))


def slices(
    actual: Floats,
    candidate: Floats,
    champion: Floats | None,
    groups: Mapping[str, NDArray[np.object_]],
) -> list[Slice]:
    """Both models on parts of the rows: quarters of the target, and the common values of `groups`.

    Slices come in the order of `groups`, the largest first.
    """
    by_name = {"target": quarters(actual)} | dict(groups)
    rng = np.random.default_rng(_SEED)
    found = []
    for by, labels in by_name.items():
        values, counts = np.unique(labels.astype(str), return_counts=True)
        order = np.argsort(-counts, kind="stable")[:_MOST_VALUES]
        for value in values[order] if by != "target" else _QUARTILES:
            rows = np.flatnonzero(labels == value)
            if len(rows) < FEWEST_IN_SLICE or not value:
                continue
            mine = np.abs(actual[rows] - candidate[rows])
            theirs = None if champion is None else np.abs(actual[rows] - champion[rows])
            difference = None if theirs is None else _mean_difference(mine - theirs, rng)
            found.append(
                Slice(
                    by,
                    str(value),
                    len(rows),
                    float(mine.mean()),
                    None if theirs is None else float(theirs.mean()),
                    difference,
                )
            )
    return found


def quarters(actual: Floats) -> NDArray[np.object_]:
    """Which quarter of the target's values each row stands in."""
    edges = np.quantile(actual, [0.25, 0.5, 0.75]) if len(actual) else np.zeros(3)
    names = np.array(_QUARTILES, dtype=object)
    placed: NDArray[np.object_] = names[np.searchsorted(edges, actual, side="left")]
    return placed


def _mean_difference(differences: Floats, rng: np.random.Generator) -> Difference:
    rows = len(differences)
    drawn = [float(differences[rng.integers(0, rows, rows)].mean()) for _ in range(RESAMPLES // 2)]
    return _interval(float(differences.mean()), drawn)


def moved(before: Floats, after: Floats) -> float:
    """The share of answers that change by more than `MOVED_BY`, relative to what they were."""
    if len(before) == 0:
        return 0.0
    change = np.abs(after - before) > MOVED_BY * np.abs(before)
    return float(np.mean(change))


def importance(
    predict: Callable[[Mapping[str, NDArray[np.generic]]], Floats],
    columns: Mapping[str, NDArray[np.generic]],
    actual: Floats,
    names: Sequence[str],
) -> dict[str, float]:
    """How much worse the mean absolute error gets, relatively, when a column is shuffled.

    Permutation importance (Breiman, "Random Forests", 2001) on at most `_SHUFFLED_ROWS` rows,
    the mean of `_SHUFFLES` shuffles; about zero for a column that the model does not need.
    """
    rng = np.random.default_rng(_SEED)
    rows = rng.permutation(len(actual))[:_SHUFFLED_ROWS]
    truth = actual[rows]
    part = {name: values[rows] for name, values in columns.items()}
    base = float(np.abs(truth - predict(part)).mean())
    if base == 0 or not math.isfinite(base):
        return dict.fromkeys(names, 0.0)
    found = {}
    for name in names:
        worse = [
            float(np.abs(truth - predict(part | {name: rng.permutation(part[name])})).mean())
            for _ in range(_SHUFFLES)
        ]
        found[name] = sum(worse) / len(worse) / base - 1.0
    return found


def sample(hashes: NDArray[np.uint64], size: int) -> NDArray[np.intp]:
    """The same few rows for every model: those with the smallest content hash."""
    chosen: NDArray[np.intp] = np.argsort(hashes, kind="stable")[:size]
    return chosen
