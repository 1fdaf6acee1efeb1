"""What the servers answer with: one model, and the rows that it is asked about.

Beside it an ordinary scikit-learn pipeline of the same rows and columns: what a user of MLflow
would have logged.
"""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, TargetEncoder
from threadpoolctl import threadpool_limits
from training import Rows, column, read  # bench/training.py: scripts see their own folder

from compose.data_api.generator import Generator
from compose.data_api.options import Options
from core.adapters.onnx_runtime import Runtime
from core.domain.dataset import Dataset
from core.rules.data import usable_rows
from core.rules.data.holdout import held_out, row_hash
from core.rules.data.profile import Profiler
from core.rules.model.contract import METADATA_KEY, Contract, describe
from core.rules.model.prediction_interval import calibrate
from workers.recipes import export
from workers.recipes.place_boosting import fit
from workers.recipes.place_boosting.features import ONE_HOT_UP_TO

ASKED = 300
ORDINARY = {
    "max_iter": 150,
    "learning_rate": 0.08,
    "min_samples_leaf": 30,
    "random_state": 20261123,
}
"""Trees as somebody would have set them who had one model to make; no more than ours has."""

SEED = 20261124
BATCHES = (0, 1)


@dataclass(frozen=True, slots=True)
class Subject:
    """A model with its contract, and held-out rows as JSON with what it says about them.

    `ordinary` is the pipeline, and `expected_ordinary` what that says.
    """

    contract: Contract
    model: bytes
    fitted: fit.Fitted
    ordinary: TransformedTargetRegressor
    rows: list[dict[str, Any]]
    expected: list[float]
    expected_ordinary: list[float]

    @property
    def answer(self) -> dict[str, Any]:
        """An answer as driftdesk gives it, for the apps that always give the same."""
        value = self.expected[0]
        low, high = self.contract.interval.bounds(value) if self.contract.interval else (0.0, 0.0)
        known = {"prediction": value, "model_version": 1, "low": low, "high": high}
        return {"prediction_id": "d6c1f8a0-5d0e-4d3b-9a52-3c8f1d2f7a11"} | known

    def write(self, folder: Path) -> None:
        """Put it down where the peers find it."""
        (folder / "contract.json").write_text(self.contract.to_json())
        (folder / "answer.json").write_text(json.dumps(self.answer))
        (folder / "fitted.pickle").write_bytes(pickle.dumps(self.fitted))
        (folder / "model.onnx").write_bytes(self.model)


def make(dataset: Dataset, path: Path) -> Subject:
    """Train, as the workers do, on the CSV file of that path, or on stand-in rows without one."""
    rows = read(path, dataset) if path.exists() else stand_in(dataset)
    keep = usable_rows.usable(rows, dataset)
    rows = {name: values[keep] for name, values in rows.items()}
    side = held_out(rows, dataset)
    learn = {n: v[~side] for n, v in rows.items()}
    judge = {n: v[side] for n, v in rows.items()}
    profiler = Profiler(dataset)
    for name, values in learn.items():
        is_text = dataset.column(name).is_text
        profiler.add(name, [v or None for v in values] if is_text else values)
    profiles = profiler.finish()
    fitted = fit.fit(learn, dataset)
    interval = calibrate(
        judge[dataset.target.name],
        fitted.predict(judge),
        row_hash(judge, dataset),
        levels=next(p.grid for p in profiles if p.column == dataset.target.name),
        on_log=fitted.on_log,
        floor=dataset.target.minimum,
    )
    contract = replace(describe(dataset, profiles), interval=interval)
    model = fitted.to_onnx({METADATA_KEY: contract.to_json()})
    runtime = Runtime(model)
    export.check_parity(runtime, fitted, judge)
    size = len(judge[dataset.target.name])
    some = np.random.default_rng(SEED).choice(size, min(ASKED, size), replace=False)
    asked = {f.name: judge[f.name][some] for f in contract.fields}
    pipeline = ordinary(learn, dataset)
    return Subject(
        contract,
        model,
        fitted,
        pipeline,
        [{n: told(v[i]) for n, v in asked.items()} for i in range(len(some))],
        runtime.predict(asked).tolist(),
        pipeline.predict(pd.DataFrame(asked)).tolist(),
    )


def ordinary(learn: Rows, dataset: Dataset) -> TransformedTargetRegressor:
    """Impute, one-hot what has few values, encode what has many by the target, boost on its log."""
    texts = {c.name: len(set(learn[c.name])) for c in dataset.features if c.is_text}
    few = [n for n, values in texts.items() if values <= ONE_HOT_UP_TO]
    many = [n for n in texts if n not in few]
    numbers = [c.name for c in dataset.features if not c.is_text]
    known = SimpleImputer(missing_values=pd.NA, strategy="constant", fill_value="")
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    steps = ColumnTransformer(
        [
            ("numbers", SimpleImputer(strategy="median"), numbers),
            ("few", make_pipeline(known, one_hot), few),
            ("many", make_pipeline(known, TargetEncoder(target_type="continuous")), many),
        ]
    )
    trees = HistGradientBoostingRegressor(**ORDINARY)
    model = TransformedTargetRegressor(
        Pipeline([("columns", steps), ("trees", trees)]), func=np.log1p, inverse_func=np.expm1
    )
    with threadpool_limits(1):
        model.fit(
            pd.DataFrame({n: learn[n] for n in [*numbers, *texts]}), learn[dataset.target.name]
        )
    return model


def told(value: Any) -> float | str | None:
    """A value as JSON has it: null for what is not known."""
    if isinstance(value, str):
        return value or None
    return None if np.isnan(value) else float(value)


def stand_in(dataset: Dataset) -> Rows:
    """Seeded rows of the stand-in data API, with the nulls of the wider data set."""
    cells: dict[str, list[str]] = {c.name: [] for c in dataset.columns}
    source = Generator(Options(seed=SEED, nulls=True))
    for number in BATCHES:
        batch = source.batch(number)
        for block in batch.blocks():
            for name, values in zip(batch.names, block, strict=True):
                cells[name] += ["" if v is None else str(v) for v in values]
    return {c.name: column(c, cells[c.name]) for c in dataset.columns}
