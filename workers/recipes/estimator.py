"""The recipe `estimator`: a scikit-learn estimator that a function of the team's own package makes.

The function takes the `Dataset` and returns an unfitted regressor or classifier, or a pipeline that
ends with one. It is fitted on the table of `workers.recipes.pipeline.frame` and exported by
skl2onnx, with `boosters` for three more libraries. A classifier is fitted on the indices 0, 1, …
k - 1 of the classes, and must return probabilities.
"""

from __future__ import annotations

from sklearn.base import is_classifier, is_regressor
from threadpoolctl import threadpool_limits

from core.domain.dataset import Dataset
from core.domain.errors import RecipeFailed
from workers.recipes import boosters
from workers.recipes.own_code import imported, reported
from workers.recipes.pipeline import FittedPipeline, frame, snapped
from workers.recipes.port import Rows, ordered


def fit(rows: Rows, dataset: Dataset) -> FittedPipeline:
    """Fit the estimator; see `workers.recipes.port.Recipe`.

    Raises:
        NothingToTrainOn: too few rows, or a target whose log does not exist.
        RecipeFailed: the function or its estimator cannot be used; the message names the line.
    """
    name = dataset.training.estimator
    training, learned = ordered(rows, dataset)
    make = imported(name)
    with reported(name, "make"):
        estimator = make(dataset)
    kind = "classifier" if dataset.task.is_classifier else "regressor"
    is_wanted = is_classifier if dataset.task.is_classifier else is_regressor
    if not is_wanted(estimator):
        raise RecipeFailed(
            f"The recipe {name} returned {type(estimator).__name__}, which is no scikit-learn "
            f"{kind}; return an unfitted {kind}, or a Pipeline that ends with one."
        )
    with reported(name, "fit"), threadpool_limits(1):
        estimator.fit(snapped(frame(training, dataset)), learned)
    boosters.register()
    classes = int(learned.max()) + 1 if dataset.task.is_classifier else 0
    if classes and not hasattr(estimator, "predict_proba"):
        raise RecipeFailed(
            f"The recipe {name} returned {type(estimator).__name__}, which gives no probabilities "
            "(predict_proba); return a classifier that does, or wrap it in CalibratedClassifierCV."
        )
    settings = {"recipe": "estimator", "estimator": name, "class": type(estimator).__name__}
    return FittedPipeline(dataset, estimator, 0.0, 1.0, settings, own=name, classes=classes)
