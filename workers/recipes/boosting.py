"""The recipe `boosting`, the default: scikit-learn's gradient boosting in its public form.

Numbers are used as they are, with nulls. Texts of few values are one-hot encoded, texts of many
values target encoded (cross-fitted, so that no row's own target is in its encoding). For a value
that no training row had, no flag is set, or the mean of all rows is used. For a classifier the
encoding is the share of a class among the value's rows: of the positive class, or of each of the
most common classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits

from core.domain.dataset import Dataset
from core.domain.task import Task
from workers.recipes.mean_encoders import ClassShare, MeanEncoder
from workers.recipes.pipeline import FittedPipeline, frame, snapped
from workers.recipes.port import Rows, ordered

ONE_HOT_UP_TO = 10
"""Texts of more values than this are encoded by their mean target."""

FOLDS = 20
"""Folds of cross-fitting: each is encoded by the means of the others."""

MOST_SHARES = 10
"""The maximum number of classes whose shares encode texts of many values."""

EARLY_STOPPING_FROM = 2_000
"""Of fewer rows a tenth is too few to tell when to stop.

Then numbers get a fixed number of trees, since more of them hardly harm. A classifier gets too
certain with too many, so cross-validation chooses how many, and whether they are small.
"""

BOOSTING: dict[str, Any] = {
    "early_stopping": False,
    "learning_rate": 0.1,
    "max_features": 0.5,
    "max_iter": 100,
    "random_state": 20261129,
}

TREES: list[dict[str, Any]] = [
    {"min_samples_leaf": 20},
    {"min_samples_leaf": 5, "max_leaf_nodes": 4, "l2_regularization": 1.0},
]
"""The trees that a classifier of few rows may use: the default ones, and small ones."""

CHOOSING_FOLDS, PATIENCE = 5, 20
"""Of the cross-validation that chooses: its folds, and the trees that a fold goes on in vain."""

EARLY_STOPPING: dict[str, Any] = {
    "early_stopping": True,
    "max_iter": 500,
    "n_iter_no_change": 20,
}


def fit(rows: Rows, dataset: Dataset) -> FittedPipeline:
    """Fit a model; see `workers.recipes.port.Recipe`.

    The target is learned in standard deviations from its mean, so that the trees' sums, which are
    of single precision in ONNX, are precise whatever the target's unit.

    Raises:
        NothingToTrainOn: too few rows, or a target whose log does not exist.
    """
    training, learned = ordered(rows, dataset)
    columns = frame(training, dataset)
    if dataset.task.is_classifier:
        common = np.argsort(-np.bincount(learned), kind="stable")[:MOST_SHARES]
        places = [1] if dataset.task is Task.BINARY else sorted(common.tolist())
        shares = {f"mean.{n}": ClassShare(n, cv=KFold(FOLDS)) for n in places}
        pipeline = make_pipeline(columns, shares, HistGradientBoostingClassifier())
        named = fit_pipeline(pipeline, columns, learned)
        return FittedPipeline(dataset, pipeline, 0.0, 1.0, named, classes=int(learned.max()) + 1)
    middle, spread = float(np.mean(learned)), float(np.std(learned)) or 1.0
    mean = {"mean": MeanEncoder(KFold(FOLDS))}
    pipeline = make_pipeline(columns, mean, HistGradientBoostingRegressor())
    named = fit_pipeline(pipeline, columns, (learned - middle) / spread)
    return FittedPipeline(dataset, pipeline, middle, spread, named)


def fit_pipeline(
    pipeline: Pipeline, columns: pd.DataFrame, learned: NDArray[Any]
) -> dict[str, Any]:
    """Fit encoders and boosting; returns the settings that were used."""
    encoders, boosting = pipeline["encode"], pipeline["boost"]
    settings = BOOSTING | (EARLY_STOPPING if len(learned) >= EARLY_STOPPING_FROM else {})
    with threadpool_limits(1):
        encoded = encoders.fit_transform(snapped(columns), learned)
        if is_classifier(boosting) and len(learned) < EARLY_STOPPING_FROM:
            settings |= chosen(boosting, encoded, learned)
        boosting.set_params(**settings).fit(encoded, learned)
    return {"recipe": "boosting", **settings}


def chosen(boosting: Any, encoded: NDArray[np.float64], places: NDArray[np.intp]) -> dict[str, Any]:
    """The kind and the number of trees with the least log loss, by cross-validation.

    Each fold has the same share of each class, so that no class is missing from the others.
    """
    fold = np.empty(len(places), dtype=np.intp)
    fold[np.argsort(places, kind="stable")] = np.arange(len(places)) % CHOOSING_FOLDS
    most = BOOSTING["max_iter"]
    found = []
    for kind in TREES:
        stops = {"early_stopping": True, "n_iter_no_change": PATIENCE, "tol": 0.0}
        tried = clone(boosting).set_params(**(BOOSTING | kind | stops))
        losses = np.zeros(most + 1)
        for n in range(CHOOSING_FOLDS):
            out = fold == n
            tried.fit(encoded[~out], places[~out], X_val=encoded[out], y_val=places[out])
            scores = tried.validation_score_
            losses[: len(scores)] -= scores
            losses[len(scores) :] = np.inf  # with so many trees the fold is known to be worse
        count = max(int(np.argmin(losses)), 1)
        found.append((losses[count], kind | {"max_iter": count}))
    return min(found, key=lambda each: each[0])[1]


def make_pipeline(columns: pd.DataFrame, means: Mapping[str, Any], boosting: Any) -> Pipeline:
    """Encoders for these columns, and boosting; not yet fitted.

    `means` are the encoders of texts of many values, by name.
    """
    texts = [name for name in columns if columns[name].dtype == object]
    one_hot = [name for name in texts if columns[name].nunique() <= ONE_HOT_UP_TO]
    many = [name for name in texts if name not in one_hot]
    encoders = ColumnTransformer(
        [
            ("number", "passthrough", [name for name in columns if name not in texts]),
            ("flag", OneHotEncoder(handle_unknown="ignore", sparse_output=False), one_hot),
            *((name, encoder, many) for name, encoder in means.items()),
        ]
    )
    return Pipeline([("encode", encoders), ("boost", boosting)])
