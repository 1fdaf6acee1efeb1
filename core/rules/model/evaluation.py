"""Metrics of candidate and champion on the same held-out rows. Pure.

Their differences have intervals from `core.rules.model.paired_bootstrap`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from core.domain.dossier import Baseline, Slice
from core.domain.errors import NothingToTrainOn
from core.rules.model.paired_bootstrap import differences, mean_difference

Floats = NDArray[np.float64]

MOVED_BY = 0.10
"""A prediction that changes by more than this share counts as moved."""

FEWEST_IN_SLICE = 30
"""Slices with fewer rows are left out."""

BATCH = "batch"
"""The `by` of slices by batch."""

_SEED = 20261124
_MOST_VALUES = 8
_SHUFFLED_ROWS = 2000
_SHUFFLES = 3
_QUARTILES = ("lowest quarter", "second quarter", "third quarter", "highest quarter")


def score(actual: Floats, predicted: Floats) -> dict[str, float]:
    """The metrics of predictions: mae, rmse (target's unit), mdape (share), r2.

    mdape is the median of |error| / |actual| over rows whose actual value is not zero.

    Raises:
        NothingToTrainOn: there are no rows to score on.
    """
    if len(actual) == 0:
        raise NothingToTrainOn("No row is held out, so nothing can be scored. Ingest more rows.")
    error = np.abs(actual - predicted)
    spread = float(np.sum((actual - actual.mean()) ** 2))
    nonzero = actual != 0
    shares = error[nonzero] / np.abs(actual[nonzero])
    return {
        "mae": float(error.mean()),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "mdape": float(np.median(shares)) if nonzero.any() else 0.0,
        "r2": 1.0 - float(np.sum(error**2)) / spread if spread else 0.0,
    }


def baseline(learned_from: Floats, actual: Floats, candidate: Floats) -> Baseline | None:
    """The candidate compared with the median of `learned_from`; None if that is empty.

    Raises:
        NothingToTrainOn: there are no rows to score on.
    """
    if len(learned_from) == 0:
        return None
    median = float(np.median(learned_from))
    answers = constant(median, len(actual))
    return Baseline(median, score(actual, answers), differences(actual, candidate, answers))


def constant(value: float, rows: int) -> Floats:
    """The same prediction for every row."""
    return np.full(rows, value)


def slices(
    actual: Floats,
    candidate: Floats,
    champion: Floats | None,
    groups: Mapping[str, NDArray[np.object_]],
) -> list[Slice]:
    """Both models by slice: quarters of the target, and the most common values of `groups`.

    In the order of `groups`, the largest slice of each first.
    """
    by_name = {"target": quarters(actual)} | dict(groups)
    theirs = None if champion is None else np.abs(actual - champion)
    return slices_of(np.abs(actual - candidate), theirs, by_name, _QUARTILES)


def slices_of(
    candidate: Floats,
    champion: Floats | None,
    groups: Mapping[str, NDArray[np.object_]],
    targets: Sequence[str] = (),
) -> list[Slice]:
    """Both models by segment, from the errors of each row.

    Ordered by `groups`, with the largest segment of each first; segments of "target" have the order
    of `targets`, if there are any.
    """
    rng = np.random.default_rng(_SEED)
    parts = []
    for by, labels in groups.items():
        counts = Counter(labels.tolist())
        common = sorted(counts, key=lambda label: (-counts[label], label))[:_MOST_VALUES]
        for value in targets if by == "target" and targets else common:
            rows = np.flatnonzero(labels == value)
            if len(rows) < FEWEST_IN_SLICE or not value:
                continue
            mine = candidate[rows]
            theirs = None if champion is None else champion[rows]
            difference = None if theirs is None else mean_difference(mine - theirs, rng)
            parts.append(
                Slice(
                    by,
                    value,
                    len(rows),
                    float(mine.mean()),
                    None if theirs is None else float(theirs.mean()),
                    difference,
                )
            )
    return parts


def quarters(actual: Floats) -> NDArray[np.object_]:
    """Each row's quarter by the target's quartiles."""
    edges = np.quantile(actual, [0.25, 0.5, 0.75]) if len(actual) else np.zeros(3)
    names = np.array(_QUARTILES, dtype=object)
    labels: NDArray[np.object_] = names[np.searchsorted(edges, actual, side="left")]
    return labels


def moved(before: Floats, after: Floats) -> float:
    """The share of predictions that change by more than the relative amount `MOVED_BY`."""
    if len(before) == 0:
        return 0.0
    change = np.abs(after - before) > MOVED_BY * np.abs(before)
    return float(np.mean(change))


def absolute(actual: Floats, predicted: Floats) -> Floats:
    """The absolute error of each row."""
    error: Floats = np.abs(actual - predicted)
    return error


def importance(
    predict: Callable[[Mapping[str, NDArray[np.generic]]], Floats],
    columns: Mapping[str, NDArray[np.generic]],
    actual: Floats,
    names: Sequence[str],
    losses: Callable[[Floats, Floats], Floats] = absolute,
) -> dict[str, float]:
    """The relative increase of the mean loss (for numbers, absolute error) for a shuffled column.

    Permutation importance (Breiman, "Random Forests", 2001) on at most `_SHUFFLED_ROWS` rows,
    the mean of `_SHUFFLES` shuffles; about zero for a column that the model does not need.
    """
    rng = np.random.default_rng(_SEED)
    rows = rng.permutation(len(actual))[:_SHUFFLED_ROWS]
    truth = actual[rows]
    part = {name: values[rows] for name, values in columns.items()}
    base = float(losses(truth, predict(part)).mean())
    if base == 0 or not math.isfinite(base):
        return dict.fromkeys(names, 0.0)
    increase = {}
    for name in names:
        shuffled = [
            float(losses(truth, predict(part | {name: rng.permutation(part[name])})).mean())
            for _ in range(_SHUFFLES)
        ]
        increase[name] = sum(shuffled) / len(shuffled) / base - 1.0
    return increase


def sample(hashes: NDArray[np.uint64], size: int) -> NDArray[np.intp]:
    """A sample that is the same for every model: the rows with the smallest content hashes."""
    chosen: NDArray[np.intp] = np.argsort(hashes, kind="stable")[:size]
    return chosen
