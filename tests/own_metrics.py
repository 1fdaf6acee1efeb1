"""Metrics as a team would bring them, good and bad."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
import pandas as pd


def weighted_error(actual: Any, predicted: Any, rows: pd.DataFrame) -> float:
    """Absolute errors, weighted by the first number column."""
    weights = rows.select_dtypes("number").iloc[:, 0].fillna(0).to_numpy()
    return float(np.average(abs(actual - predicted), weights=1 + abs(weights)))


def within_ten(actual: Any, predicted: Any) -> np.float64:
    return np.mean(abs(actual - predicted) < 10)


def cost(actual: Any, predicted: Any, price: float = 5.0) -> float:
    """A missed "b" costs five times as much as a false one."""
    return float(np.where(actual != predicted, np.where(actual == "b", price, 1.0), 0.0).mean())


def surprise(actual: Any, probabilities: pd.DataFrame) -> float:
    """The log loss."""
    places = probabilities.columns.get_indexer(actual)
    true = probabilities.to_numpy()[np.arange(len(actual)), places]
    return float(-np.log(np.clip(true, 1e-7, 1)).mean())


def raises(actual: Any) -> float:
    raise KeyError("no such region")


def gives_nan(actual: Any) -> float:
    return float("nan")


def gives_a_table(actual: Any) -> Any:
    return actual


def wants_more(actual: Any, weights: Any) -> float:
    return 0.0


def hangs(actual: Any) -> float:
    print("counting sheep", flush=True)
    time.sleep(3600)
    return 0.0


def dies(actual: Any) -> float:
    print("out of memory", flush=True)
    os._exit(9)


def only_for_the_candidate(predicted: Any) -> float:
    """Not for one constant answer."""
    if len(set(predicted)) == 1:
        raise ZeroDivisionError("no spread")
    return 1.0
