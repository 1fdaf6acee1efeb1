"""What the range and the explanation of an answer cost and keep, on real rows.

    python bench/predicting.py [--rows ../shared/realtor/rows.csv]

Prints the share of rows within their range on the half of the held-out rows that had no part in
setting its width, over all and by fifth of the actual price; how long an answer takes with and
without an explanation; and the largest relative difference between what effects add up to and the
answer.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from training import REALTOR, Rows, read  # bench/training.py: scripts see their own folder

from core.adapters.onnx_runtime import Runtime
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS
from core.rules.data import usable_rows
from core.rules.data.holdout import ONE_IN, held_out, row_hash
from core.rules.data.profile import Profiler
from core.rules.model.contract import METADATA_KEY, describe
from core.rules.model.prediction_interval import calibrate
from workers.recipes import export
from workers.recipes.place_boosting import fit

EXPLAINED = 300


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=Path, default=REALTOR / "rows.csv")
    dataset = load(SHIPPED_DATASETS / "real_estate.toml")
    rows = read(options.parse_args().rows, dataset)
    keep = usable_rows.usable(rows, dataset)
    rows = {name: values[keep] for name, values in rows.items()}
    side = held_out(rows, dataset)
    learn = {n: v[~side] for n, v in rows.items()}
    judge = {n: v[side] for n, v in rows.items()}
    target = dataset.target.name
    profiler = Profiler(dataset)
    for name, values in learn.items():
        is_text = dataset.column(name).is_text
        profiler.add(name, [v or None for v in values] if is_text else values)
    profiles = profiler.finish()
    fitted = fit.fit(learn, dataset)
    predicted, hashes = fitted.predict(judge), row_hash(judge, dataset)
    interval = calibrate(
        judge[target],
        predicted,
        hashes,
        levels=next(p.grid for p in profiles if p.column == target),
        on_log=fitted.on_log,
    )
    assert interval is not None
    coverage(interval.bounds, predicted, judge[target], hashes)
    print(f"widths as factors: {[round(float(np.exp(w)), 2) for w in interval.widths]}")
    print(f"edges: {[round(e) for e in interval.edges]}")

    contract = replace(describe(dataset, profiles), interval=interval)
    model = export.to_onnx(fitted, dataset, {METADATA_KEY: contract.to_json()})
    print(f"model file {len(model) / 1e3:,.0f} kB")
    latency(Runtime(model), judge)


def coverage(
    bounds: Callable[[float], tuple[float, float]],
    predicted: np.ndarray,
    actual: np.ndarray,
    hashes: np.ndarray,
) -> None:
    measuring = (hashes // np.uint64(ONE_IN)) % np.uint64(2) == 1
    low, high = np.array([bounds(p) for p in predicted[measuring].tolist()]).T
    within = (low <= actual[measuring]) & (actual[measuring] <= high)
    print(f"coverage {within.mean():.1%} of {measuring.sum():,} rows (nominal 90%)")
    for name, by in (("prediction", predicted), ("price", actual)):
        order = np.argsort(by[measuring])
        shares = [f"{within[part].mean():.1%}" for part in np.array_split(order, 5)]
        print(f"by fifth of {name}, cheapest first: {', '.join(shares)}")


def latency(runtime: Runtime, rows: Rows) -> None:
    asked = [{n: v[i] for n, v in rows.items()} for i in range(EXPLAINED)]
    took = [timed(lambda row=row: runtime.predict_rows([row])) for row in asked]
    print(f"answer: {np.median(took):.3f} ms")
    took = [timed(lambda row=row: runtime.explain(row)) for row in asked]
    print(f"explanation: {np.median(took):.2f} ms")
    answers = runtime.predict({n: v[:EXPLAINED] for n, v in rows.items()})
    sums = np.array([runtime.explain(row).prediction for row in asked])
    print(f"largest relative difference: {np.abs(sums / answers - 1).max():.1e}")


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


if __name__ == "__main__":
    main()
