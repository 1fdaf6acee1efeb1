"""The figures of the explanation are those that were measured."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest

from core.domain.dataset import Dataset
from core.domain.drift import Finding
from core.domain.profiles import ColumnProfile
from core.rules.data.profile import EXACT_ROWS, Profiler
from core.rules.data.text_counts import MOST_TEXTS
from core.rules.data.value_bins import MOST_BINS, ValueBins
from core.rules.drift.compare import compare
from core.rules.drift.noise_band import annotate
from tests.pages import DOCS
from tests.stacks import REAL_ROWS, ROOT

DRIFT = (DOCS / "explanation" / "drift.md").read_text(encoding="utf-8")
SAME_ROWS = (DOCS / "explanation" / "same-rows.md").read_text(encoding="utf-8")
FIRST_DAY = (DOCS / "tutorial" / "first-day.md").read_text(encoding="utf-8")
BENCH = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")

MEASURED_AS = {
    "normal (100, 20)": "normal (100, 20)",
    "number of rooms (1 to 9)": "rooms (1 to 9)",
    "log-normal, sigma 2.5": "log-normal, sigma 2.5",
    "lot size, with rare values of 100,000 acres": "acre_lot (rare 100,000s)",
}
"""A column of the page by its name in bench/README.md."""


def cells(line: str) -> list[str]:
    return [cell.strip().replace(" %", "%") for cell in line.strip("| ").split(" | ")]


@pytest.mark.parametrize("column", MEASURED_AS)
def test_how_often_chance_breaks_it(column: str) -> None:
    (measured,) = [
        cells(line) for line in BENCH.splitlines() if line.startswith(f"| {MEASURED_AS[column]} |")
    ]
    _, _, _, _, broke, unexplained, found, *_ = measured
    first, second = [cells(x) for x in DRIFT.splitlines() if x.startswith(f"| {column} |")]
    assert first == [column, broke]
    assert second == [column, unexplained, found]


def profiles(number: int, dataset: Dataset) -> tuple[ColumnProfile, ...]:
    path = REAL_ROWS / "api" / f"batch_{number}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    profiler = Profiler(dataset)
    for column in dataset.compared:
        profiler.add(column.name, np.array([float(row[column.name]) for row in rows]))
    return tuple(p for p in profiler.finish() if p.count)


@pytest.mark.real_rows
def test_two_batches_of_real_rows(dataset: Dataset) -> None:
    before, after = profiles(0, dataset), profiles(1, dataset)
    report = annotate(compare(before, after, dataset), before, after)
    breaches = [c for c in report.changes if c.finding is Finding.BREACH]
    assert (len(breaches), sum(c.could_be_noise for c in breaches)) == (13, 3)
    assert (before[0].count, after[0].count) == (403, 549)
    shown = re.findall(r"^\| `(\w+)` \| ([\d.,]+) % \| ([\d.,]+) % \| (~?)", DRIFT, re.MULTILINE)
    assert len(shown) == 5
    by_name = {c.name: c for c in breaches}
    for name, ratio, band, noise in shown:
        change = by_name[name]
        assert change.ratio is not None
        assert change.band is not None
        digits = 1 if "." in ratio else 0
        assert f"{change.ratio * 100:,.{digits}f}" == ratio
        assert f"{change.band * 100:,.{digits}f}" == band
        assert change.could_be_noise == bool(noise)


def test_the_first_day_has_the_scores_that_same_rows_explains() -> None:
    for figure in re.findall(r"\d\d,\d{3}", SAME_ROWS):
        assert figure in FIRST_DAY


def test_the_bounds_of_large_batches() -> None:
    for bound in (EXACT_ROWS, MOST_BINS, MOST_TEXTS):
        assert f"{bound:,}" in DRIFT
    usual = ValueBins.of(np.geomspace(1.0, 1000.0, 300_000))
    assert f"that share is {100 * usual.error:.3f} %" in DRIFT
    above_zero = (np.arange(2047 * 64) << 46).view(np.float64)  # 64 values of each exponent
    worst = ValueBins.of(np.concatenate([-above_zero[::-1], above_zero]))
    assert f"is {100 * worst.error:.1f} %" in DRIFT
