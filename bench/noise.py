"""The noise band in a seeded simulation: false alarms, and how often +30 % is found.

    python bench/noise.py [--trials 400] [--seed 20261124]

A trial draws two batches, profiles both as ingest does, compares them by the 15 % rule and looks at
what breaches beyond the band. Four statistics of one column make a report here, so the band is held
for those four together. "broke" is how often some statistic broke 15 % though nothing had changed;
"false" how often that was not explained as noise (the promise: at most 5 %); "+30 %" how often a
batch of 1.3 times the values has a breach beyond the band. "any" counts every ratio beyond its
band, breach or not: how well the band's own 5 % are met.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.dataset import STATISTICS
from core.domain.drift import DriftReport, Finding
from core.platform.dataset_file import parse
from core.rules.data.profile import profile_number
from core.rules.drift.compare import compare
from core.rules.drift.noise_band import annotate

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]


def lots(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Like acre_lot: a log-normal of median 0.25, and one row in 5,000 up to 100,000."""
    values = np.round(np.exp(-1.35 + 1.3 * rng.standard_normal(n)), 2)
    rare = rng.random(n) < 1 / 5000
    values[rare] = np.round(100_000 ** rng.uniform(0.7, 1.0, int(rare.sum())))
    return values


HEAVY: dict[str, Draw] = {
    "acre_lot (rare 100,000s)": lots,
    "Pareto, no variance (1.5)": lambda rng, n: rng.pareto(1.5, n) + 1,
    "Pareto, no mean (0.9)": lambda rng, n: rng.pareto(0.9, n) + 1,
    "log-normal, sigma 2.5": lambda rng, n: np.exp(2.5 * rng.standard_normal(n)),
}
LIGHT: dict[str, Draw] = {
    "normal (100, 20)": lambda rng, n: rng.normal(100, 20, n),
    "exponential": lambda rng, n: rng.exponential(5.0, n),
    "rooms (1 to 9)": lambda rng, n: np.clip(np.round(rng.normal(3.3, 1.0, n)), 1, 9),
    "log-normal, sigma 0.5": lambda rng, n: np.exp(0.5 * rng.standard_normal(n)),
}
SIZES = [(400, 400), (400, 10_000), (10_000, 10_000), (10_000, 300_000), (300_000, 300_000)]


@dataclass
class Rates:
    """Shares of the trials; see the module."""

    broke: float
    false: float
    beyond: float
    found: float
    milliseconds: float


COLUMN = parse(
    {
        "name": "one",
        "columns": [
            {"name": "value", "type": "number", "role": "target"},
            {"name": "other", "type": "category", "role": "feature"},
        ],
    },
    "one.toml",
)


def report(then: NDArray[np.float64], now: NDArray[np.float64]) -> DriftReport:
    """The report of two columns of numbers, with its bands."""
    before, after = [profile_number("value", then)], [profile_number("value", now)]
    return annotate(compare(before, after, COLUMN), before, after)


def alarms(seen: DriftReport) -> bool:
    """Whether a breach is there that could not be noise."""
    return any(c.finding is Finding.BREACH and not c.could_be_noise for c in seen.changes)


def simulate(
    draw: Draw, then: int, now: int, *, trials: int, seed: int, rise: float = 1.3
) -> Rates:
    """Run the trials of one distribution at one pair of sizes; a rise of 0 is not looked for."""
    rng = np.random.default_rng(seed)
    broke = false = beyond = found = 0
    took = 0.0
    for _ in range(trials):
        one, other = draw(rng, then), draw(rng, now)
        start = time.perf_counter()
        calm = report(one, other)
        took += time.perf_counter() - start
        broke += calm.retrain
        false += alarms(calm)
        beyond += any((c.ratio or 0) > (c.band or np.inf) for c in calm.changes)
        found += bool(rise) and alarms(report(one, rise * draw(rng, now)))
    return Rates(
        broke / trials, false / trials, beyond / trials, found / trials, took / trials * 1000
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--trials", type=int, default=400)
    options.add_argument("--seed", type=int, default=20261124)
    chosen = options.parse_args()
    print(f"seed {chosen.seed}, {chosen.trials} trials (a tenth of them at 300,000 rows)")
    print(f"statistics: {', '.join(STATISTICS)}; limit 15 %\n")
    print("| column | rows | broke 15 % | false | any | +30 % found |")
    print("|---|---|---|---|---|---|")
    for name, draw in {**HEAVY, **LIGHT}.items():
        for then, now in SIZES:
            trials = max(chosen.trials // 10, 20) if now > 10_000 else chosen.trials
            seen = simulate(draw, then, now, trials=trials, seed=chosen.seed)
            print(
                f"| {name} | {then:,} / {now:,} | {seen.broke:.1%} | {seen.false:.1%} "
                f"| {seen.beyond:.1%} | {seen.found:.1%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
