"""The paired bootstrap of a verdict: by counting draws, and by copying drawn rows as it was done.

    python bench/judging.py [--most 1000000] [--copy-most 200000]

Rows are generated: actual values are log-normal, and both models err by a log-normal factor. Both
ways give the intervals of four metrics from 600 resamples, on one thread. Peak memory is what the
bootstrap allocates beside its three inputs.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from core.rules.model.evaluation import score
from core.rules.model.paired_bootstrap import RESAMPLES, differences

SIZES = (1_000, 10_000, 200_000, 1_000_000)
SEED = 20261124
Floats = NDArray[np.float64]
Intervals = dict[str, tuple[float, float]]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--most", type=int, default=SIZES[-1])
    options.add_argument(
        "--copy-most", type=int, default=200_000, help="it takes a minute from there"
    )
    chosen = options.parse_args()
    print("| rows | way | seconds | peak MB | MAE, 95 % | MdAPE, 95 % |")
    print("|---|---|---|---|---|---|")
    for rows in (size for size in SIZES if size <= chosen.most):
        if rows <= chosen.copy_most:
            show(rows, "copies", copies)
        show(rows, "counts", counts)


def show(rows: int, name: str, way: Callable[[Floats, Floats, Floats], Intervals]) -> None:
    """Prints seconds without, and memory with, the tracing of allocations."""
    rng = np.random.default_rng(SEED)
    actual = rng.lognormal(3, 1, rows)
    models = [actual * rng.lognormal(0, sigma, rows) for sigma in (0.3, 0.31)]
    start = time.perf_counter()
    found = way(actual, *models)
    seconds = time.perf_counter() - start
    tracemalloc.start()
    way(actual, *models)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    mae, mdape = ("{:.4f} to {:.4f}".format(*found[metric]) for metric in ("mae", "mdape"))
    print(f"| {rows:,} | {name} | {seconds:.2f} | {peak:.0f} | {mae} | {mdape} |", flush=True)


def counts(actual: Floats, candidate: Floats, other: Floats) -> Intervals:
    """What a verdict does."""
    return {n: (d.low, d.high) for n, d in differences(actual, candidate, other).items()}


def copies(actual: Floats, candidate: Floats, other: Floats) -> Intervals:
    """Compute every metric on copies of the drawn rows."""
    rng = np.random.default_rng(SEED)
    drawn = []
    for _ in range(RESAMPLES):
        rows = rng.integers(0, len(actual), len(actual))
        mine, theirs = score(actual[rows], candidate[rows]), score(actual[rows], other[rows])
        drawn.append([mine[name] - theirs[name] for name in mine])
    ends = np.quantile(drawn, [0.025, 0.975], axis=0).T.tolist()
    return {n: (low, high) for n, (low, high) in zip(mine, ends, strict=True)}


if __name__ == "__main__":
    main()
