"""Training code as a team would bring it, good and bad."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from core.domain.dataset import Dataset


def _columns(dataset: Dataset) -> tuple[list[str], list[str]]:
    numbers = [c.name for c in dataset.features if c.type == "number"]
    return numbers, [c.name for c in dataset.features if c.is_text]


def _made(dataset: Dataset, last: Any) -> Pipeline:
    numbers, texts = _columns(dataset)
    number = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
    flags = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    steps = ColumnTransformer([("number", number, numbers), ("flag", flags, texts)])
    return make_pipeline(steps, last)


def ridge(dataset: Dataset) -> Pipeline:
    return _made(dataset, Ridge())


def forest(dataset: Dataset) -> Pipeline:
    return _made(dataset, ExtraTreesRegressor(50, random_state=1))


def _on_flags(dataset: Dataset, last: Any) -> Pipeline:
    """Trees take nulls as they are."""
    numbers, texts = _columns(dataset)
    flags = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    steps = ColumnTransformer([("number", "passthrough", numbers), ("flag", flags, texts)])
    return make_pipeline(steps, last)


def lightgbm(dataset: Dataset) -> Pipeline:
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMClassifier if dataset.task.is_classifier else LGBMRegressor

    return _on_flags(dataset, kind(n_jobs=1, random_state=1, verbose=-1))


def xgboost(dataset: Dataset) -> Pipeline:
    from xgboost import XGBClassifier, XGBRegressor

    kind = XGBClassifier if dataset.task.is_classifier else XGBRegressor

    return _on_flags(dataset, kind(n_jobs=1, random_state=1))


def catboost(dataset: Dataset) -> Pipeline:
    from catboost import CatBoostClassifier, CatBoostRegressor

    kind = CatBoostClassifier if dataset.task.is_classifier else CatBoostRegressor

    settings = {"allow_writing_files": False, "verbose": False, "thread_count": 1}
    return _on_flags(dataset, kind(iterations=200, random_seed=1, **settings))


def logistic(dataset: Dataset) -> Pipeline:
    return _made(dataset, LogisticRegression(max_iter=1000))


def trees(dataset: Dataset) -> Pipeline:
    return _made(dataset, ExtraTreesClassifier(50, min_samples_leaf=2, random_state=1))


def gives_no_probabilities(dataset: Dataset) -> Pipeline:
    return _made(dataset, RidgeClassifier())


class _Forgetful(DummyClassifier):  # type: ignore[misc]
    """A classifier that forgets its last class."""

    def predict_proba(self, X: Any) -> Any:  # noqa: N803
        return super().predict_proba(X)[:, :-1]


def forgets_a_class(_: Dataset) -> _Forgetful:
    return _Forgetful()


def raises(_: Dataset) -> None:
    raise RuntimeError("no such warehouse")


def leaves(_: Dataset) -> None:
    sys.exit(3)


def gives_a_classifier(_: Dataset) -> DummyClassifier:
    return DummyClassifier()


def cannot_fit(_: Dataset) -> LinearRegression:
    return LinearRegression()  # takes neither texts nor nulls


def cannot_be_exported(_: Dataset) -> Pipeline:
    return make_pipeline(SimpleImputer(), FunctionTransformer(np.abs), Ridge())


def cannot_predict_new_texts(dataset: Dataset) -> Pipeline:
    numbers, texts = _columns(dataset)
    steps = [("number", SimpleImputer(), numbers), ("order", OrdinalEncoder(), texts)]
    return make_pipeline(ColumnTransformer(steps), Ridge())
