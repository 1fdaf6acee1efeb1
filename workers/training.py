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
from workers.features import Features
from workers.places import Rows

FEWEST_ROWS = 20

RECIPE: dict[str, Any] = {
    "max_iter": 50,
    "learning_rate": 0.2,
    "max_features": 0.25,
    "min_samples_leaf": 30,
    "l2_regularization": 3.0,
    "max_bins": 64,
    "early_stopping": False,
    "random_state": 20261123,
}
"""Found by five-fold cross-validation on the real training rows; `bench/training.py` scores it."""

FITS = 3
"""So many ensembles are fitted, each with its own draw of columns, and their answers averaged."""

WEIGHT = 0.2
"""Rows count as (1 + target) to this power where the log is learned.

At 0 the squared error of the log decides, which is content with missing the few largest by far;
at 2 it is about that of the value itself, which the few largest decide alone.
"""

FAR = 2.5
"""Where the log is learned, a row further from its rough estimate than this counts as this far.

In standard deviations, as the median of the distances has them. It is Huber's loss around the
estimate ("Robust Estimation of a Location Parameter", 1964): one row with an odd target does not
pull its whole neighbourhood along.
"""

START = 0.5
"""The trees learn what this share of the rough estimate leaves over.

Where few rows are known trees cannot follow a slope, and with all of it they would repair what it
gets wrong far from its rows.
"""

EDGE = 0.002
"""The rough estimate counts for no more than all but this share of targets, at either end."""


class Boosting(HistGradientBoostingRegressor):  # type: ignore[misc]
    """scikit-learn's boosting on bins that were made beforehand, once for several fits.

    Its own binning of weighted rows sorts a column once for each quantile, and takes as long for
    that as for all the trees.
    """

    bins: Bins

    def _bin_data(self, *_: Any, **__: Any) -> NDArray[np.uint8]:
        """What scikit-learn asks when it has checked its input; there is no public way."""
        edges = self.bins.edges
        self._bin_mapper.bin_thresholds_ = edges
        self._bin_mapper.n_bins_non_missing_ = np.array([len(e) + 1 for e in edges], np.uint32)
        self._bin_mapper.is_categorical_ = np.zeros(len(edges), dtype=np.uint8)
        self._bin_mapper.missing_values_bin_idx_ = RECIPE["max_bins"]
        return self.bins.codes


@dataclass(frozen=True, slots=True)
class Bins:
    """Each value's bin, the last one for null, and each column's edges: bin n ends at edge n."""

    codes: NDArray[np.uint8]
    edges: list[NDArray[np.float64]]

    @classmethod
    def of(cls, matrix: NDArray[np.float64], weights: NDArray[np.float64]) -> Bins:
        """Edges are weighted quantiles, as scikit-learn makes them where rows have weights.

        A column of few values has an edge half-way between every two of them.
        """
        most = RECIPE["max_bins"]
        levels = np.linspace(0, 1, most + 1)[1:-1]
        codes = np.full(matrix.shape, most, dtype=np.uint8, order="F")
        edges = []
        for n, column in enumerate(matrix.T):
            order = np.argsort(column, kind="stable")[: np.count_nonzero(~np.isnan(column))]
            ascending = column[order]
            values = ascending[np.flatnonzero(np.diff(ascending, prepend=np.nan))]
            if len(values) > most:
                below = np.cumsum(weights[order])
                ends = ascending[np.searchsorted(below, levels * below[-1])]
            else:
                ends = values[:-1] / 2 + values[1:] / 2
            edges.append(np.unique(ends))
            codes[order, n] = np.searchsorted(edges[n], ascending, side="left")
        return cls(codes, edges)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model before it is exported: the steps, the trees, and what the trees learned."""

    features: Features
    trees: Boosting
    on_log: bool
    low: float
    high: float
    """Between these the rough estimate counts."""

    def predict(self, rows: Rows) -> NDArray[np.float64]:
        """Predict with scikit-learn itself, in the target's own unit."""
        matrix = self.features.transform(rows).astype(np.float64)
        learned: NDArray[np.float64] = self.trees.predict(matrix)
        learned += START * np.clip(matrix[:, -1], self.low, self.high)
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
        rough = known[:, -1]
        low, high = np.quantile(learned, [EDGE, 1 - EDGE]).tolist()
        start = START * np.clip(rough, low, high)
        weights = None
        if on_log:
            weights = np.exp(WEIGHT * (learned - learned.mean()))
            learned = _within_reach(learned, rough)
        # Binning needs a value in every column; on a single one, trees never split.
        known[:, np.isnan(known).all(axis=0)] = 0.0
        return Fitted(features, _grow(known, learned - start, weights), on_log, low, high)


def _within_reach(learned: NDArray[np.float64], rough: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is learned, no further than `FAR` from a rough estimate of it.

    Where the estimate is right for more than half of the rows there is no measure of distance.
    """
    distance = learned - rough
    reach = FAR * 1.4826 * float(np.median(np.abs(distance)))
    return rough + np.clip(distance, -reach, reach) if reach > 0 else learned


def _grow(
    matrix: NDArray[np.float64], learned: NDArray[np.float64], weights: NDArray[np.float64] | None
) -> Boosting:
    """`FITS` ensembles as one: the trees of all, each leaf divided by their number."""
    bins = Bins.of(matrix, np.ones(len(learned)) if weights is None else weights)
    fits = []
    for n in range(FITS):
        fits.append(Boosting(**RECIPE | {"random_state": RECIPE["random_state"] + n}))
        fits[n].bins = bins
        fits[n].fit(matrix, learned, sample_weight=weights)
    one = fits[0]
    one._predictors = [trees for fit in fits for trees in fit._predictors]  # noqa: SLF001
    for (tree,) in one._predictors:  # noqa: SLF001 - there is no public way
        tree.nodes["value"] /= FITS
    return one


def parameters(fitted: Fitted) -> dict[str, Any]:
    """What the run is logged with."""
    return {
        **RECIPE,
        "fits": FITS,
        "far": FAR if fitted.on_log else 0.0,
        "start": START,
        "fit_on": "log" if fitted.on_log else "value",
        "weight": WEIGHT if fitted.on_log else 0.0,
        "one_hot": ",".join(fitted.features.one_hot),
        "target_encoded": ",".join(place.key for place in fitted.features.places),
    }
