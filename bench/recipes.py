"""Held-out errors of the built-in recipes beside LightGBM's and scikit-learn's defaults.

    python bench/recipes.py [--only NAME] [--splits 3]

The data sets ship in packages; the real listings of ../shared are read if they are there. Each row
is held out once in each of three splits into five folds; errors are pooled over all of them. Every
model learns the same target (its log for listings) from the same rows on one thread. The peers get
texts as categories, which both know how to take, and their defaults otherwise. Errors are RMSE and
MAE, of classes log loss and the share of wrong answers.

`--wide` measures the peak memory of training on 20,000 rows of 300 columns instead.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import plotly.data
from lightgbm import LGBMClassifier, LGBMRegressor
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold
from threadpoolctl import threadpool_limits

from bench.training import REALTOR, read
from core.adapters.onnx_runtime import Runtime
from core.domain.dataset import Dataset
from core.domain.training import BUILT_IN, Training
from core.platform.dataset_file import load, parse
from core.platform.settings import SHIPPED_DATASETS
from core.rules.data import usable_rows
from core.rules.model.contract import METADATA_KEY
from tests.build import contract
from workers.recipes.choose import recipe_of
from workers.recipes.port import Rows

FOLDS = 5
WIDE = (20_000, 300)
Floats = NDArray[np.float64]

PEERS: dict[str, Callable[[bool], Any]] = {
    "LightGBM": lambda of_classes: (LGBMClassifier if of_classes else LGBMRegressor)(
        n_jobs=1, verbose=-1, random_state=1
    ),
    "scikit-learn": lambda of_classes: (
        HistGradientBoostingClassifier if of_classes else HistGradientBoostingRegressor
    )(categorical_features="from_dtype", random_state=1),
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", default="")
    options.add_argument("--splits", type=int, default=3)
    options.add_argument("--wide", action="store_true")
    chosen = options.parse_args()
    warnings.filterwarnings("ignore")
    if chosen.wide:
        wide()
        return
    print("| data | rows | model | seconds | error | second error | of the better peer | second |")
    print("|---|---|---|---|---|---|---|---|")
    for name, dataset, rows in data():
        if chosen.only in ("", name):
            compare(name, dataset, rows, chosen.splits)


def data() -> Iterator[tuple[str, Dataset, Rows]]:
    frames = {
        "diabetes": (load_diabetes(as_frame=True, scaled=False).frame, "target"),
        "gapminder": (plotly.data.gapminder(), "lifeExp"),
        "tips": (plotly.data.tips(), "tip"),
        "carshare": (plotly.data.carshare(), "car_hours"),
        "breast cancer": (load_breast_cancer(as_frame=True).frame, "mean area"),
    }
    for name, (frame, target) in frames.items():
        yield name, *as_dataset(frame, target)
    for name, loaded in (
        ("breast cancer", load_breast_cancer), ("wine", load_wine), ("digits", load_digits),
    ):  # fmt: skip
        frame = loaded(as_frame=True).frame
        task = "binary" if frame["target"].nunique() == 2 else "multiclass"
        yield f"{name}, {task}", *as_dataset(frame, "target", task=task)
    if (path := REALTOR / "rows.csv").exists():
        dataset = load(SHIPPED_DATASETS / "real_estate.toml")
        rows = read(path, dataset)
        keep = usable_rows.usable(rows, dataset)
        yield "listings", dataset, {name: values[keep] for name, values in rows.items()}


def as_dataset(frame: pd.DataFrame, target: str, **keys: Any) -> tuple[Dataset, Rows]:
    """A frame as a dataset of numbers and categories."""
    columns, rows = [], {}
    for n, name in enumerate(frame):
        is_text = not pd.api.types.is_numeric_dtype(frame[name])
        role = "target" if name == target else "feature"
        columns.append({"name": f"x{n}", "type": "category" if is_text else "number", "role": role})
        kind = object if is_text else np.float64
        rows[f"x{n}"] = frame[name].to_numpy(dtype=kind)
    return parse({"name": "bench", "columns": columns} | keys, "bench"), rows


def compare(name: str, dataset: Dataset, rows: Rows, splits: int) -> None:
    target = rows[dataset.target.name]
    of_classes = dataset.task.is_classifier
    ours = BUILT_IN[:1] if of_classes else BUILT_IN
    answers: dict[str, list[Floats]] = {model: [] for model in (*PEERS, *ours)}
    seconds = dict.fromkeys(answers, 0.0)
    actual = []
    for seed in range(splits):
        for learn, judge in KFold(FOLDS, shuffle=True, random_state=seed).split(target):
            actual.append(target[judge])
            given = {n: v[learn] for n, v in rows.items()}
            asked = {n: v[judge] for n, v in rows.items()}
            for model, answered in answers.items():
                began = time.perf_counter()
                answered.append(predictions(model, given, asked, dataset))
                seconds[model] += time.perf_counter() - began
    pooled = np.concatenate(actual)
    errors = {m: errors_of(pooled, np.concatenate(a), dataset) for m, a in answers.items()}
    best = [min(errors[peer][n] for peer in PEERS) for n in range(2)]
    for model in answers:
        first, second = errors[model]
        figures = f"{first:,.4g} | {second:,.4g}"
        ratios = f"{first / best[0]:.3f} | {second / best[1]:.3f}"
        print(
            f"| {name} | {len(target):,} | {model} | {seconds[model]:.1f} | {figures} | {ratios} |",
            flush=True,
        )


def errors_of(actual: Floats, answers: Floats, dataset: Dataset) -> tuple[float, float]:
    """RMSE and MAE; of classes log loss and the share of wrong answers."""
    if dataset.task.is_classifier:
        classes = np.unique(actual)
        wrong = float(np.mean(classes[answers.argmax(axis=1)] != actual))
        return float(log_loss(actual, answers, labels=classes)), wrong
    error = answers - actual
    return float(np.sqrt(np.mean(error**2))), float(np.mean(np.abs(error)))


def predictions(model: str, given: Rows, asked: Rows, dataset: Dataset) -> Floats:
    if model in BUILT_IN:
        return recipe_of(replace(dataset, training=Training(model)))(given, dataset).predict(asked)
    on_log = dataset.fit_on == "log"
    learned = given[dataset.target.name]
    with threadpool_limits(1):
        columns, others = categories(given, dataset), categories(asked, dataset)
        fitted = PEERS[model](dataset.task.is_classifier).fit(
            known(columns, columns), np.log1p(learned) if on_log else learned
        )
        if dataset.task.is_classifier:
            probabilities: Floats = fitted.predict_proba(known(others, columns))
            return probabilities
        answers = fitted.predict(known(others, columns)).astype(np.float64)
    return np.expm1(answers) if on_log else answers


def categories(rows: Rows, dataset: Dataset) -> pd.DataFrame:
    return pd.DataFrame({c.name: rows[c.name] for c in dataset.features})


def known(columns: pd.DataFrame, learned: pd.DataFrame) -> pd.DataFrame:
    """Texts as categories of the learned rows; scikit-learn takes at most 255, the commonest."""
    made = {}
    for name in columns:
        if learned[name].dtype == np.float64:
            made[name] = columns[name]
        else:
            levels = sorted(learned[name].value_counts().index[:254])
            made[name] = pd.Categorical(columns[name], categories=levels)
    return pd.DataFrame(made)


def wide() -> None:
    """Peak memory of fit and export, each in a process of its own."""
    print("| recipe | rows | columns | seconds | at rest | peak memory |")
    print("|---|---|---|---|---|---|")
    context = multiprocessing.get_context("spawn")
    for recipe in BUILT_IN:
        process = context.Process(target=train_wide, args=(recipe,))
        process.start()
        process.join()


def train_wide(recipe: str) -> None:
    count, width = WIDE
    random = np.random.default_rng(1)
    texts = np.array([f"v{n}" for n in range(50)], dtype=object)
    columns: list[dict[str, Any]] = []
    rows: Rows = {}
    made: dict[str, Any] = {}
    for n in range(width):
        is_text = n % 10 == 0
        kind = "category" if is_text else "number"
        columns.append({"name": f"x{n}", "type": kind, "role": "feature"})
        made[f"x{n}"] = (
            texts[random.integers(0, 50, count)] if is_text else random.normal(size=count)
        )
    made["y"] = made["x1"] * made["x2"] + 3 * made["x3"] + random.normal(size=count)
    columns.append({"name": "y", "type": "number", "role": "target"})
    rows = made
    document = {"name": "wide", "columns": columns, "training": {"recipe": recipe}}
    dataset = parse(document, "wide")
    at_rest, began = peak(), time.perf_counter()
    fitted = recipe_of(dataset)(rows, dataset)
    runtime = Runtime(fitted.to_onnx({METADATA_KEY: contract(dataset).to_json()}))
    runtime.predict({n: v[:1_000] for n, v in rows.items()})
    took = time.perf_counter() - began
    print(
        f"| {recipe} | {count:,} | {width} | {took:.0f} | {at_rest} MB | {peak()} MB |", flush=True
    )


def peak() -> int:
    """The most memory that this process has had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
