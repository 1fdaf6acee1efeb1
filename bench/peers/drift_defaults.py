"""Evidently's and NannyML's defaults on the samples of `bench/drift_power.py`.

    python bench/drift_power.py --packages FOLDER --peers ROWS
    python -m venv /tmp/ev && /tmp/ev/bin/pip install evidently nannyml
    /tmp/ev/bin/python bench/peers/drift_defaults.py ROWS [--splits 20] [--seed 20261129]

It runs in an environment of its own. Evidently: a report with `DataDriftPreset()`; an alarm is any
column that has drifted ("any column"), or its own verdict about the whole, half of the columns
("dataset"). NannyML: `UnivariateDriftCalculator` over all columns, ten chunks; an alarm is any
column with an alert in any chunk of the second sample.
"""

import argparse
import logging
import warnings
from pathlib import Path

import nannyml
import numpy as np
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset

SEED = 20261129


def sample(frame: pd.DataFrame, rng: np.random.Generator, n: int) -> list[pd.DataFrame]:
    """The two samples that driftdesk's bench draws with the same seed."""
    total = len(frame)
    picked = rng.permutation(total)[: 2 * n]
    if total < 2 * n:
        picked = rng.integers(total, size=2 * n)
    return [frame.iloc[part].reset_index(drop=True) for part in np.split(picked, 2)]


def evidently_alarms(then: pd.DataFrame, now: pd.DataFrame) -> tuple[set[str], bool]:
    """The columns that Evidently's preset finds drifted, and its verdict about the dataset."""
    found = Report([DataDriftPreset()]).run(now, then).dict()["metrics"]
    columns, whole = set(), False
    for metric in found:
        config, value = metric["config"], metric["value"]
        if config["type"].endswith("DriftedColumnsCount"):
            whole = value["share"] >= config.get("drift_share", 0.5)
        elif config["type"].endswith("ValueDrift"):
            above = value >= config["threshold"]
            is_p_value = "p_value" in config["method"]
            if above != is_p_value:
                columns.add(config["column"])
    return columns, whole


def nannyml_alarms(then: pd.DataFrame, now: pd.DataFrame) -> set[str]:
    """The columns with an alert in the second sample."""
    texts = [c for c in then.columns if not pd.api.types.is_numeric_dtype(then[c])]
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=list(then.columns), treat_as_categorical=texts
    )
    found = calculator.fit(then).calculate(now).filter(period="analysis").to_df()
    alerts = found.xs("alert", axis=1, level=-1)
    return {column for column in then.columns if alerts[column].to_numpy().any()}


def main() -> None:
    """Print a row for each data set and size."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("rows", type=Path)
    options.add_argument("--splits", type=int, default=20)
    options.add_argument("--seed", type=int, default=SEED)
    options.add_argument("--sizes", default="500,5000,50000")
    options.add_argument("--without", default="")
    chosen = options.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    print("| rows of | n | Evidently, any column | Evidently, dataset | NannyML, any column |")
    print("|---|---|---|---|---|")
    for file in sorted(chosen.rows.glob("*.csv")):
        frame = pd.read_csv(file, low_memory=False)
        for n in map(int, chosen.sizes.split(",")):
            rng = np.random.default_rng([chosen.seed, n])
            any_column = whole = other = 0
            for _ in range(chosen.splits):
                then, now = sample(frame, rng, n)
                columns, dataset = evidently_alarms(then, now)
                any_column += bool(columns)
                whole += dataset
                if "nannyml" not in chosen.without:
                    other += bool(nannyml_alarms(then, now))
            print(f"| {file.stem} | {n:,} | {any_column} | {whole} | {other} |", flush=True)


if __name__ == "__main__":
    main()
