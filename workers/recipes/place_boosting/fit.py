"""The recipe `place_boosting`: boosting on an estimate of what the groups of a row tell.

Made for prices of places, whose level follows from town, code and size. `fit` implements the port
of recipes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from core.domain.dataset import Dataset
from workers.recipes.place_boosting.features import Features
from workers.recipes.place_boosting.onnx_export import to_onnx
from workers.recipes.port import Rows, ordered

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
"""Hyperparameters from five-fold cross-validation; `bench/training.py` scores them."""

FITS = 3
"""Number of ensembles, each with its own random columns, whose predictions are averaged."""

SAMPLE_WEIGHT_POWER = 0.2
"""Sample weights are (1 + target) to this power if the target is fitted on a log scale.

At 0 the loss is the squared error of the log, which tolerates large misses on the few largest
targets; at 2 it is close to the squared error of the value, which those few dominate.
"""

HUBER_K = 2.5
"""On a log scale, targets are clipped at this distance from the initial estimate.

In standard deviations, estimated from the median absolute residual. It acts as Huber's loss
around the estimate ("Robust Estimation of a Location Parameter", 1964) and limits outliers.
"""

INIT_SHARE = 0.5
"""The trees fit target - INIT_SHARE * initial estimate.

Trees with few rows cannot follow a slope, so 0 is too little; at 1 they would have to correct the
estimate's extrapolation errors.
"""

CLIP_QUANTILE = 0.002
"""The initial estimate is clipped to the quantiles CLIP_QUANTILE and 1 - CLIP_QUANTILE."""


class Boosting(HistGradientBoostingRegressor):  # type: ignore[misc]
    """scikit-learn's boosting on precomputed bins, shared by several fits.

    Its own binning of weighted rows sorts each column once per quantile, which takes as long as
    all the trees.
    """

    bins: Bins

    def _bin_data(self, *_: Any, **__: Any) -> NDArray[np.uint8]:
        """scikit-learn calls this after validating its input; there is no public hook."""
        edges = self.bins.edges
        self._bin_mapper.bin_thresholds_ = edges
        self._bin_mapper.n_bins_non_missing_ = np.array([len(e) + 1 for e in edges], np.uint32)
        self._bin_mapper.is_categorical_ = np.zeros(len(edges), dtype=np.uint8)
        self._bin_mapper.missing_values_bin_idx_ = RECIPE["max_bins"]
        return self.bins.codes


@dataclass(frozen=True, slots=True)
class Bins:
    """The bin of each value (null: the last one) and each column's edges; bin n ends at edge n."""

    codes: NDArray[np.uint8]
    edges: list[NDArray[np.float64]]

    @classmethod
    def of(cls, matrix: NDArray[np.float64], weights: NDArray[np.float64]) -> Bins:
        """Edges are weighted quantiles, as in scikit-learn with sample weights.

        A column with few distinct values has an edge half-way between each two of them.
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
    """A fitted model before its export: features, trees, and the scale of the target."""

    dataset: Dataset
    features: Features
    trees: Boosting
    low: float
    high: float
    """Bounds that the initial estimate is clipped to."""

    @property
    def on_log(self) -> bool:
        """Whether the target was learned as log(1 + target)."""
        return self.dataset.fit_on == "log"

    def predict(self, rows: Rows) -> NDArray[np.float64]:
        """Predict with scikit-learn, in the target's unit."""
        matrix = self.features.transform(rows).astype(np.float64)
        learned: NDArray[np.float64] = self.trees.predict(matrix)
        learned += INIT_SHARE * np.clip(matrix[:, -1], self.low, self.high)
        return np.expm1(learned) if self.on_log else learned

    def to_onnx(self, metadata: Mapping[str, str]) -> bytes:
        """The model as ONNX; see `workers.recipes.port.Fitted`."""
        start = (INIT_SHARE, self.low, self.high)
        return to_onnx(self.features, self.trees, start, self.dataset, metadata)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that the MLflow run is logged with."""
        return {
            **RECIPE,
            "fits": FITS,
            "huber_k": HUBER_K if self.on_log else 0.0,
            "init_share": INIT_SHARE,
            "fit_on": self.dataset.fit_on,
            "sample_weight_power": SAMPLE_WEIGHT_POWER if self.on_log else 0.0,
            "one_hot": ",".join(self.features.one_hot),
            "target_encoded": ",".join(lookup.key for lookup in self.features.lookups),
        }


def fit(rows: Rows, dataset: Dataset) -> Fitted:
    """Fit a model; see `workers.recipes.port.Recipe`.

    Raises:
        NothingToTrainOn: too few rows, or a target whose log does not exist.
    """
    training, learned = ordered(rows, dataset)
    with threadpool_limits(1):
        features, matrix = Features.fit(training, learned, dataset)
        known = matrix.astype(np.float64)
        rough = known[:, -1]
        low, high = np.quantile(learned, [CLIP_QUANTILE, 1 - CLIP_QUANTILE]).tolist()
        start = INIT_SHARE * np.clip(rough, low, high)
        weights = None
        if dataset.fit_on == "log":
            weights = np.exp(SAMPLE_WEIGHT_POWER * (learned - learned.mean()))
            learned = _clipped_residuals(learned, rough)
        # Binning needs a value in every column; trees never split on a constant one.
        known[:, np.isnan(known).all(axis=0)] = 0.0
        return Fitted(dataset, features, _grow(known, learned - start, weights), low, high)


def _clipped_residuals(
    learned: NDArray[np.float64], rough: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Targets clipped to `HUBER_K` standard deviations around the initial estimate.

    Unclipped if the estimate is exact for more than half of the rows, since the scale is then 0.
    """
    distance = learned - rough
    reach = HUBER_K * 1.4826 * float(np.median(np.abs(distance)))
    return rough + np.clip(distance, -reach, reach) if reach > 0 else learned


def _grow(
    matrix: NDArray[np.float64], learned: NDArray[np.float64], weights: NDArray[np.float64] | None
) -> Boosting:
    """`FITS` ensembles merged into one: all trees, with leaf values divided by `FITS`."""
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
