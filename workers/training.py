"""Training: a gradient-boosted model of the target, for any dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from core.dataset import Column, Dataset
from core.errors import NothingToTrainOn
from core.split import row_hash
from workers.features import Features, Rows

FEWEST_ROWS = 20

RECIPE: dict[str, Any] = {
    "max_iter": 150,
    "learning_rate": 0.08,
    "max_features": 0.25,
    "min_samples_leaf": 30,
    "l2_regularization": 3.0,
    "max_bins": 64,
    "early_stopping": False,
    "random_state": 20261123,
}
"""Found by five-fold cross-validation on the real training rows; `bench/training.py` scores it."""

WEIGHT = 0.2
"""Rows count as (1 + target) to this power where the log is learned.

At 0 the squared error of the log decides, which is content with missing the few largest by far;
at 2 it is about that of the value itself, which the few largest decide alone.
"""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model before it is exported: the steps, the trees, and what the trees learned."""

    features: Features
    trees: HistGradientBoostingRegressor
    on_log: bool

    def predict(self, rows: Rows) -> NDArray[np.float64]:
        """Predict with scikit-learn itself, in the target's own unit."""
        learned: NDArray[np.float64] = self.trees.predict(
            self.features.transform(rows).astype(np.float64)
        )
        return np.expm1(learned) if self.on_log else learned


def usable(rows: Rows, dataset: Dataset) -> NDArray[np.bool_]:
    """Which rows are fit to be learned from: a target, and nothing outside the dataset's bounds."""
    target = dataset.target
    keep: NDArray[np.bool_] = ~np.isnan(rows[target.name])
    for column in (target, *dataset.features):
        if not column.is_text:
            keep &= _within(column, rows[column.name])
    return keep


def _within(column: Column, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    within = np.ones(len(values), dtype=np.bool_)
    if column.above is not None:
        within &= np.isnan(values) | (values > column.above)
    if column.at_most is not None:
        within &= np.isnan(values) | (values <= column.at_most)
    return within


def fit(rows: Rows, dataset: Dataset) -> Fitted:
    """Learn the target from usable rows. The rows' order does not matter.

    One thread: OpenMP's threads wait by spinning, and on a shared machine two of them took 2 to 20
    times as long as one. It also keeps the sums, and so the model, the same on any machine.

    Raises:
        NothingToTrainOn: fewer than `FEWEST_ROWS` rows, or a target that the log cannot take.
    """
    count = len(rows[dataset.target.name])
    if count < FEWEST_ROWS:
        raise NothingToTrainOn(
            f"Only {count} rows are fit to be trained on; at least {FEWEST_ROWS} are needed. "
            "Ingest another batch."
        )
    order = np.argsort(row_hash(rows, dataset), kind="stable")
    ordered = {name: values[order] for name, values in rows.items()}
    on_log = dataset.fit_on == "log"
    target = ordered[dataset.target.name]
    if on_log and target.min() <= -1:
        raise NothingToTrainOn(
            f"{dataset.target.label} has values of -1 or below, whose log does not exist. "
            'Set fit_on = "value" in the dataset file.'
        )
    learned = np.log1p(target) if on_log else target
    with threadpool_limits(1):
        features, matrix = Features.fit(ordered, learned, dataset)
    known = matrix.astype(np.float64)
    # Binning needs a value in every column; on a single one, trees never split.
    known[:, np.isnan(known).all(axis=0)] = 0.0
    trees = HistGradientBoostingRegressor(**RECIPE)
    weights = np.exp(WEIGHT * (learned - learned.mean())) if on_log else np.ones(len(learned))
    codes, edges = _binned(known, weights)
    with threadpool_limits(1):
        trees.fit(codes, learned, sample_weight=weights if on_log else None)
    _in_own_units(trees, edges)
    return Fitted(features, trees, on_log)


def _binned(
    matrix: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Each value's bin, NaN for null, and each column's edges: bin n ends at edge n.

    The edges are weighted quantiles, as scikit-learn makes them where rows have weights; but it
    sorts a column once for each of them, and takes as long for that as for all the trees.
    """
    levels = np.linspace(0, 1, RECIPE["max_bins"] + 1)[1:-1]
    codes, edges = np.full_like(matrix, np.nan), []
    for n, column in enumerate(matrix.T):
        known = ~np.isnan(column)
        values = np.unique(column[known])
        if len(values) > RECIPE["max_bins"]:
            order = np.argsort(column[known], kind="stable")
            below = np.cumsum(weights[known][order])
            ends = column[known][order][np.searchsorted(below, levels * below[-1])]
        else:
            ends = values[:-1] / 2 + values[1:] / 2
        edges.append(np.unique(ends))
        codes[known, n] = np.searchsorted(edges[n], column[known], side="left")
    return codes, edges


def _in_own_units(trees: HistGradientBoostingRegressor, edges: list[NDArray[np.float64]]) -> None:
    """Turn thresholds on bins into thresholds on values, so that the trees take the matrix itself.

    A split of bins at 3.5 sends bins up to 3 to the left, which are the values up to edge 3. An
    infinite one parts null from the rest and stays.
    """
    every = np.concatenate(edges)
    first = np.cumsum([0, *map(len, edges)])
    for (tree,) in trees._predictors:  # noqa: SLF001 - there is no public way
        nodes = tree.nodes
        splits = np.flatnonzero(
            ~nodes["is_leaf"].astype(bool) & np.isfinite(nodes["num_threshold"])
        )
        bins = nodes["num_threshold"][splits].astype(np.intp)
        nodes["num_threshold"][splits] = every[first[nodes["feature_idx"][splits]] + bins]


def parameters(fitted: Fitted) -> dict[str, Any]:
    """What the run is logged with."""
    return {
        **RECIPE,
        "fit_on": "log" if fitted.on_log else "value",
        "weight": WEIGHT if fitted.on_log else 0.0,
        "one_hot": ",".join(fitted.features.one_hot),
        "target_encoded": ",".join(fitted.features.encoded),
    }
