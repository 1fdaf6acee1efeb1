"""Our training against the original recipe, on real rows, in one run.

    python bench/training.py [--rows ../shared/realtor/rows.csv] [--no-spread]

The original recipe, as its description has it: impute and scale the numbers, one-hot the state,
XGBoost, a random search over ten settings with three folds, the price as it is. Its five columns
are bed, bath, acre_lot, house_size and state; its search space is not on record, so the one below
is ours, and both its seconds and its scores depend on it. Both recipes learn from the same rows,
on one thread each (more of them spin while they wait and make the original look worse than it is),
one after the other, and are scored on the same held-out rows. Ours is timed with its export.

Every row is held out exactly once: by its hash (`core.rules.data.holdout`) it stands in one of five
fifths, of which fifth 0 is the one that the product holds out. The last lines pool the errors of
all rows, with a 95 % bootstrap interval of each ratio. `--no-spread` stops after
fifth 0. The settings of `workers.recipes.place_boosting.fit` were chosen by cross-validation
outside fifth 0, so rows of the other fifths had a part in that choice.
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import RandomizedSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBRegressor

from core.adapters.onnx_runtime import Runtime
from core.domain.dataset import Column, ColumnType, Dataset
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS
from core.rules.data import usable_rows
from core.rules.data.holdout import ONE_IN, row_hash
from core.rules.data.profile import Profiler
from core.rules.data.typed_values import read_code, read_date, read_number, read_text
from core.rules.model import evaluation
from core.rules.model.contract import METADATA_KEY, describe
from workers.recipes import export
from workers.recipes.place_boosting import fit

REALTOR = Path(__file__).parents[2] / "shared" / "realtor"
"""Real rows, which are never committed."""

NUMBERS = ["bed", "bath", "acre_lot", "house_size"]
SEARCH = {
    "model__n_estimators": [100, 200, 300],
    "model__max_depth": [3, 5, 7, 9],
    "model__learning_rate": [0.01, 0.05, 0.1, 0.2],
    "model__subsample": [0.6, 0.8, 1.0],
}
METRICS = ("rmse", "mae", "mdape")
RESAMPLES = 1000
SEED = 20261124
Rows = dict[str, NDArray[Any]]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trial:
    """One fifth: what its rows are worth, what both recipes say, and the seconds of both."""

    actual: Floats
    original: Floats
    driftdesk: Floats
    original_s: float
    driftdesk_s: float


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=Path, default=REALTOR / "rows.csv")
    options.add_argument("--spread", action=argparse.BooleanOptionalAction, default=True)
    chosen = options.parse_args()
    warnings.filterwarnings("ignore")
    dataset = load(SHIPPED_DATASETS / "real_estate.toml")
    rows = read(chosen.rows, dataset)
    keep = usable_rows.usable(rows, dataset)
    rows = {name: values[keep] for name, values in rows.items()}
    fifth = row_hash(rows, dataset) % np.uint64(ONE_IN)
    print("| held out | recipe | seconds | R2 | RMSE | MAE | MdAPE |")
    print("|---|---|---|---|---|---|---|")
    trials = []
    for n in range(ONE_IN if chosen.spread else 1):
        trials.append(compare(rows, fifth == n, dataset))
        show(f"fifth {n}", trials[-1])
    if chosen.spread:
        pooled = Trial(
            *(
                np.concatenate([getattr(t, name) for t in trials])
                for name in ("actual", "original", "driftdesk")
            ),
            original_s=sum(t.original_s for t in trials),
            driftdesk_s=sum(t.driftdesk_s for t in trials),
        )
        show("all, pooled", pooled)
        seconds = [t.driftdesk_s / t.original_s for t in trials]
        print(f"\nTime ratio, median of the fifths: {np.median(seconds):.3f}")


def compare(rows: Rows, side: NDArray[np.bool_], dataset: Dataset) -> Trial:
    """Both recipes, learned from the other side and asked about this one."""
    target = dataset.target.name
    learn = {n: v[~side] for n, v in rows.items()}
    judge = {n: v[side] for n, v in rows.items()}
    theirs_s, theirs = original(learn, judge, target)
    ours_s, ours = driftdesk(learn, judge, dataset)
    return Trial(judge[target], theirs, ours, theirs_s, ours_s)


def show(name: str, trial: Trial) -> None:
    """Prints both recipes' figures, ours over theirs, and how far luck may move each ratio."""
    theirs = evaluation.score(trial.actual, trial.original)
    ours = evaluation.score(trial.actual, trial.driftdesk)
    size = f"{name}, {len(trial.actual):,} rows"
    for recipe, seconds, m in (
        ("original", trial.original_s, theirs),
        ("driftdesk", trial.driftdesk_s, ours),
    ):
        print(
            f"| {size} | {recipe} | {seconds:.2f} | {m['r2']:.3f} | {m['rmse']:,.0f} "
            f"| {m['mae']:,.0f} | {m['mdape']:.3f} |"
        )
    quotient = " | ".join(f"{ours[k] / theirs[k]:.3f}" for k in METRICS)
    print(f"| {size} | **ratio** | {trial.driftdesk_s / trial.original_s:.3f} | | {quotient} |")
    between = " | ".join(f"{low:.2f} to {high:.2f}" for low, high in intervals(trial))
    print(f"| {size} | 95 % | | | {between} |", flush=True)


def intervals(trial: Trial) -> list[tuple[float, float]]:
    """The 95 % bootstrap interval of each metric's ratio; rows are resampled with both errors."""
    rng = np.random.default_rng(SEED)
    drawn = []
    for _ in range(RESAMPLES):
        rows = rng.integers(0, len(trial.actual), len(trial.actual))
        theirs = evaluation.score(trial.actual[rows], trial.original[rows])
        ours = evaluation.score(trial.actual[rows], trial.driftdesk[rows])
        drawn.append([ours[k] / theirs[k] for k in METRICS])
    return [(low, high) for low, high in np.quantile(drawn, [0.025, 0.975], axis=0).T.tolist()]


def original(learn: Rows, judge: Rows, target: str) -> tuple[float, Floats]:
    """Seconds of the search with its final fit, and the answers."""
    number = make_pipeline(SimpleImputer(), StandardScaler())
    state = OneHotEncoder(handle_unknown="ignore")
    steps = ColumnTransformer([("number", number, NUMBERS), ("state", state, ["state"])])
    search = RandomizedSearchCV(
        Pipeline([("prepare", steps), ("model", XGBRegressor(n_jobs=1))]),
        SEARCH, n_iter=10, cv=3, random_state=0,
    )  # fmt: skip
    start = time.perf_counter()
    search.fit(pd.DataFrame(learn), learn[target])
    seconds = time.perf_counter() - start
    return seconds, search.predict(pd.DataFrame(judge)).astype(np.float64)


def driftdesk(learn: Rows, judge: Rows, dataset: Dataset) -> tuple[float, Floats]:
    """Seconds of fit and export, and the answers of the exported model."""
    profiler = Profiler(dataset)
    for name, values in learn.items():
        is_text = dataset.column(name).is_text
        profiler.add(name, [v or None for v in values] if is_text else values)
    contract = describe(dataset, profiler.finish())
    start = time.perf_counter()
    fitted = fit.fit(learn, dataset)
    model = fitted.to_onnx({METADATA_KEY: contract.to_json()})
    seconds = time.perf_counter() - start
    runtime = Runtime(model)
    export.check_parity(runtime, fitted, judge)
    return seconds, runtime.predict(judge)


def read(path: Path, dataset: Dataset) -> Rows:
    """A CSV file's columns, cleaned as ingest cleans them."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {c.name: column(c, [row[c.name] for row in rows]) for c in dataset.columns}


def column(about: Column, cells: list[str]) -> NDArray[Any]:
    if about.is_text:
        code = about.type is ColumnType.CODE
        texts = [(read_code(c, about.width) if code else read_text(c)) if c else "" for c in cells]
        return np.array(texts, dtype=object)
    reader = read_date if about.type is ColumnType.DATE else read_number
    return np.array([reader(c) if c.strip() else np.nan for c in cells])


if __name__ == "__main__":
    main()
