"""The drift rule: the original's ratios, a strict limit, and no infinity anywhere."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.dataset import STATISTICS, Dataset
from core.domain.drift import Finding
from core.domain.profiles import ColumnProfile
from core.rules.data.profile import profile_number
from core.rules.drift.compare import compare
from tests.build import profile, small_dataset
from tests.stacks import REAL_ROWS

numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)


def real_profiles(dataset: Dataset) -> Iterator[list[ColumnProfile]]:
    for n in range(6):
        with (REAL_ROWS / "api" / f"batch_{n}.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        yield [
            profile_number(c.name, np.array([float(r[c.name] or "nan") for r in rows]))
            for c in dataset.compared
        ]


@pytest.mark.real_rows
def test_real_batches_give_the_ratios_of_the_original_rule(dataset: Dataset) -> None:
    golden_file = REAL_ROWS.parent / "golden" / "drift_previous_batch.json"
    golden = json.loads(golden_file.read_text())["pairs"]
    profiles = list(real_profiles(dataset))
    for n in range(5):
        report = compare(profiles[n], profiles[n + 1], dataset)
        expected = golden[f"{n}->{n + 1}"]
        assert report.retrain == expected["retrain"]
        assert {c.name: c.ratio for c in report.changes} == pytest.approx(
            expected["ratios"], rel=1e-9, abs=1e-9
        )


def test_the_limit_itself_is_no_breach() -> None:
    data = small_dataset(limits={"mean": 0.5})
    at = compare([profile("temperature", mean=10.0)], [profile("temperature", mean=15.0)], data)
    above = compare(
        [profile("temperature", mean=10.0)], [profile("temperature", mean=15.0001)], data
    )
    assert not at.retrain
    assert above.retrain
    assert "Temperature, mean rose 50.0 % (limit 50 %)" in above.reasons[0].text


@pytest.mark.parametrize("reference", [0.0, None])
def test_a_reference_of_zero_or_null_is_undefined_and_no_breach(reference: float | None) -> None:
    before = [profile("temperature", mean=reference, std=1.0, q50=1.0, q75=1.0)]
    after = [profile("temperature", mean=5.0, std=1.0, q50=1.0, q75=1.0)]
    report = compare(before, after, small_dataset())
    (mean,) = [c for c in report.changes if c.name == "temperature_mean"]
    assert mean.finding is Finding.UNDEFINED
    assert mean.ratio is None
    assert not report.retrain


def test_a_column_without_earlier_values_is_named() -> None:
    known = profile("rides", mean=5.0)
    report = compare([known], [known, profile("temperature", mean=5.0)], small_dataset())
    assert not report.retrain
    assert report.reasons[0].text.endswith("could not be: Temperature has no earlier values.")


def test_the_first_batch_of_all_asks_for_training() -> None:
    report = compare(None, [profile("temperature")], small_dataset())
    assert report.retrain
    assert "No earlier batch has rows" in report.reasons[0].text


def test_a_column_of_its_own_limits_is_judged_by_them() -> None:
    columns = [
        {"name": "rides", "type": "number", "role": "target", "limits": {"mean": 9.0}},
        {"name": "temperature", "type": "number", "role": "feature"},
    ]
    report = compare(
        [profile("rides"), profile("temperature")],
        [profile("rides", mean=20.0), profile("temperature", mean=20.0)],
        small_dataset(columns=columns),
    )
    assert [c.name for c in report.changes if c.finding is Finding.BREACH] == ["temperature_mean"]


@given(st.lists(numbers, max_size=30), st.lists(numbers, max_size=30))
def test_whatever_comes_in_no_ratio_is_infinite_or_nan(old: list[float], new: list[float]) -> None:
    report = compare(
        [profile_number("temperature", np.array(old, dtype=float))],
        [profile_number("temperature", np.array(new, dtype=float))],
        small_dataset(),
    )
    assert len(report.changes) == len(STATISTICS) * 2
    for c in report.changes:
        assert (c.ratio is None) == (c.finding is Finding.UNDEFINED)
        assert c.ratio is None or math.isfinite(c.ratio)


@given(st.lists(numbers, min_size=2, max_size=50))
def test_the_same_rows_in_another_order_have_not_drifted(values: list[float]) -> None:
    one = profile_number("temperature", np.array(values))
    other = profile_number("temperature", np.array(values[::-1]))
    report = compare([one], [other], small_dataset())
    assert [c for c in report.changes if (c.ratio or 0) > 1e-6] == []
