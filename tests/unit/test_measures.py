"""Additional measures: exact on known shares, finite whatever comes in, quiet on noise."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.drift_power import CHANGES, Rows, calm_splits, described, found
from core.domain.dataset import MEASURES, Dataset, Role
from core.domain.drift import DriftReport, Finding, Measure, Measured
from core.domain.profiles import ColumnProfile
from core.domain.safe_text import printable
from core.rules.data.profile import KEPT_CATEGORIES, Profiler, profile_number, profile_text
from core.rules.drift.compare import compare
from core.rules.drift.measures import distance, shares
from core.rules.drift.report import drift_report
from tests.build import small_dataset

SEED = 20261129

counts = st.dictionaries(st.text(max_size=3), st.integers(1, 40), max_size=30)
numbers = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=50)


def weather(counted: dict[str, int], nulls: int = 0) -> ColumnProfile:
    return profile_text("weather", counted, nulls)


def seen(then: ColumnProfile, now: ColumnProfile, data: Dataset | None = None) -> DriftReport:
    return drift_report([then], [now], data or small_dataset())


def of(report: DriftReport, which: Measure) -> Measured:
    (found_one,) = [m for m in report.measures if m.measure is which]
    return found_one


# The figures


def test_nothing_but_a_new_category_is_as_far_as_it_can_be_and_was_never_seen() -> None:
    report = seen(weather({"for_sale": 300}), weather({"sold": 200}))
    mix, new = of(report, Measure.MIX), of(report, Measure.NEW)
    assert (mix.value, mix.unseen, mix.finding) == (1.0, True, Finding.BREACH)
    assert (new.value, new.unseen, new.could_be_noise) == (1.0, True, False)
    assert [r.text for r in report.measure_reasons] == [
        "Weather: 100.0 % of the values are new (limit 5 %): sold (100.0 %).",
        (
            "Weather: the shares of its values changed by 1 (Jensen-Shannon distance, limit 0.1): "
            "for_sale from 100.0 % to 0.0 %, sold from 0.0 % to 100.0 %."
        ),
    ]


def test_the_distance_is_the_published_one() -> None:
    """By hand: 1/2 of KL((1/2, 1/2) || (3/4, 1/4)) + KL((1, 0) || (3/4, 1/4)), in bits."""
    wanted = math.sqrt((0.5 * math.log2(2 / 3) + 0.5 * math.log2(2) + math.log2(4 / 3)) / 2)
    assert distance(np.array([5.0, 5.0]), np.array([7.0, 0.0])) == pytest.approx(wanted)


def test_empty_values_and_means_are_told_in_their_units() -> None:
    report = seen(weather({"sun": 400}), weather({"sun": 320}, nulls=80))
    nulls = of(report, Measure.NULLS)
    assert (nulls.reference, nulls.current, nulls.value, nulls.unseen) == (0.0, 0.2, 0.2, True)
    assert report.measure_reasons[0].text == (
        "Weather: the share of empty values rose from 0.0 % to 20.0 % (limit 5 percentage points)."
    )
    rng = np.random.default_rng(SEED)
    depth = rng.normal(61.7, 1.4, 5_000)
    then, now = (profile_number("temperature", d) for d in (depth, depth + 0.7))
    moved = seen(then, now)
    assert not moved.retrain  # 1 % of the mean: the rule's ratios are far below 15 %
    assert of(moved, Measure.SHIFT).value == pytest.approx(0.5, abs=0.02)
    assert moved.measure_reasons[0].text.startswith(
        "Temperature: the mean rose by 0.496 standard deviations (limit 0.25): from 61."
    )


def test_a_constant_that_begins_to_vary_is_a_shift_that_was_never_seen() -> None:
    then, now = (profile_number("temperature", np.full(300, v)) for v in (0.0, 5.0))
    report = seen(then, now)
    assert (report.retrain, of(report, Measure.SHIFT).value) == (False, 1.0)
    assert of(report, Measure.SHIFT).unseen
    assert [r.change for r in report.measure_reasons] == ["temperature_shift"]


def test_the_class_shares_of_a_target_are_compared_like_any_category() -> None:
    then, now = weather({"no": 900, "yes": 100}), weather({"no": 500, "yes": 500})
    data = small_dataset()
    (column,) = [c for c in data.columns if c.name == "weather"]
    target = replace(data, columns=(replace(column, role=Role.TARGET),))
    report = drift_report([then], [now], target)
    assert report.measure_reasons[0].text == (
        "Weather: the class shares changed by 0.383 (Jensen-Shannon distance, limit 0.1): "
        "no from 90.0 % to 50.0 %, yes from 10.0 % to 50.0 %."
    )


def test_classes_that_are_whole_numbers_are_compared_by_their_shares() -> None:
    kinds = [
        {"name": "kind", "type": "number", "role": "target"},
        {"name": "size", "type": "number", "role": "feature"},
    ]
    data = small_dataset(task="multiclass", primary_metric="log_loss", columns=kinds)

    def kept(*counts: int) -> tuple[ColumnProfile, ...]:
        profiler = Profiler(data)
        for label, count in enumerate(counts):
            profiler.add("kind", np.full(count, float(label)))
            profiler.add("size", np.arange(count) % 5.0)
        return profiler.finish()

    # The mean of the labels is the same: only the shares tell.
    report = drift_report(kept(300, 400, 300), kept(600, 100, 600), data)
    of_kind = {m.measure: m for m in report.measures if m.column == "kind"}
    assert set(of_kind) == {Measure.MIX, Measure.NEW, Measure.NULLS}
    assert of_kind[Measure.MIX].finding is Finding.BREACH
    assert not of_kind[Measure.MIX].could_be_noise
    assert report.measure_reasons[0].text.startswith("Kind: the class shares changed by ")
    new = drift_report(kept(300, 400, 300), kept(300, 400, 300, 200), data)
    assert "3 (16.7 %)" in new.measure_reasons[-1].text + new.measure_reasons[0].text
    older = tuple(replace(p, categories={}, distinct=0) for p in kept(300, 400, 300))
    unknown = drift_report(older, kept(600, 100, 600), data)
    assert {m.value for m in unknown.measures if m.measure in ("mix", "new")} == {None}


def test_limits_are_of_the_dataset_or_of_a_column() -> None:
    then, now = weather({"sun": 600, "rain": 400}), weather({"sun": 400, "rain": 600})
    assert of(seen(then, now), Measure.MIX).finding is Finding.BREACH
    for change in (
        {"limits": {"mix": 0.3}},
        {
            "columns": [
                {"name": "rides", "type": "number", "role": "target"},
                {
                    "name": "weather", "type": "category", "role": "feature",
                    "limits": {"mix": 0.3},
                },
            ]
        },
    ):  # fmt: skip
        mix = of(seen(then, now, small_dataset(**change)), Measure.MIX)
        assert (mix.limit, mix.finding) == (0.3, Finding.WITHIN)


def test_what_is_not_compared_or_moves_by_itself_is_not_measured() -> None:
    columns = {
        kind: {"name": kind, "type": kind, "role": "feature"}
        for kind in ("number", "category", "code", "boolean", "date", "timestamp")
    }
    columns["code"]["drift"] = False  # type: ignore[assignment]
    columns["target"] = {"name": "y", "type": "number", "role": "target"}
    columns["name"] = {"name": "name", "type": "category", "role": "identifier"}
    data = small_dataset(columns=list(columns.values()))
    assert {c.name: [str(m) for m in c.measures] for c in data.columns} == {
        "number": ["shift", "nulls"],
        "category": ["mix", "new", "nulls"],
        "code": [],
        "boolean": ["mix", "new", "nulls"],
        "date": ["nulls"],
        "timestamp": ["nulls"],
        "y": ["shift", "nulls"],
        "name": [],
    }


# Categories that a profile does not keep


def many(rng: np.random.Generator, rows: int, values: int) -> dict[str, int]:
    return Counter(f"city {v}" for v in rng.zipf(1.3, rows) % values)


def test_one_new_value_among_many_is_found_and_its_absence_is_noise() -> None:
    rng = np.random.default_rng(SEED)
    print("seed", SEED)
    then, now, other = (many(rng, 5_000, 3_000) for _ in range(3))
    before = weather(then)
    assert before.distinct > KEPT_CATEGORIES
    assert seen(before, weather(now)).measure_reasons == ()
    other["never seen"] = 1_250
    report = seen(before, weather(other))
    assert of(report, Measure.NEW).value is None  # not all values of the reference are known
    assert "never seen from 0.0 % to 20.0 %" in report.measure_reasons[0].text


def test_many_new_values_are_new_though_the_batch_does_not_keep_them() -> None:
    then = weather({"sun": 600, "rain": 400})
    now = weather({"sun": 500, "rain": 300} | {f"typo {n}": 1 for n in range(600)})
    new = of(seen(then, now), Measure.NEW)
    assert new.value == pytest.approx(600 / 1_400, abs=1e-9)
    assert not new.could_be_noise


@settings(deadline=None, max_examples=60)
@given(counts, counts)
@example({"a": 1}, {})
def test_shares_keep_every_row_and_the_distance_is_symmetric(
    old: dict[str, int], new: dict[str, int]
) -> None:
    then, now = weather(old), weather(new)
    both = shares(then, now)
    assert (both.reference.sum(), both.current.sum()) == (then.count, now.count)
    assert (both.reference >= 0).all()
    assert (both.current >= 0).all()
    there, back = (float(distance(a, b)) for a, b in (
        (both.reference, both.current), (both.current, both.reference)
    ))  # fmt: skip
    assert there == pytest.approx(back)
    assert 0.0 <= there <= 1.0


@settings(deadline=None, max_examples=12)
@given(counts, counts, st.integers(0, 30), st.integers(0, 30), numbers, numbers)
def test_whatever_comes_in_a_measure_is_finite_and_the_same_rows_have_none(
    old: dict[str, int], new: dict[str, int], gone: int, lost: int, one: Any, other: Any
) -> None:
    with np.errstate(all="ignore"):
        before, after = (
            [
                weather(c, n).finite(),
                profile_number("temperature", np.array(v, dtype=float)).finite(),
            ]
            for c, n, v in ((old, gone, one), (new, lost, other))
        )
        report = drift_report(before, after, small_dataset())
        same = drift_report(before, before, small_dataset())
    for m in report.measures:
        assert (m.value is None) == (m.finding is Finding.UNDEFINED)
        assert m.value is None or (math.isfinite(m.value) and m.value >= 0)
        assert m.band is None or (math.isfinite(m.band) and m.band >= 0)
    for reason in report.measure_reasons:
        assert reason.text == printable(reason.text)
    assert not any(m.value for m in same.measures)
    assert same.measure_reasons == ()


def test_the_measures_leave_the_rule_as_it_is() -> None:
    rng = np.random.default_rng(SEED)
    before, after = (
        [profile_number("temperature", rng.normal(10, 3, 400)), weather({"sun": 400})]
        for _ in range(2)
    )
    plain, whole = (f(before, after, small_dataset()) for f in (compare, drift_report))
    assert plain.retrain == whole.retrain
    assert [(c.name, c.ratio, c.finding) for c in plain.changes] == [
        (c.name, c.ratio, c.finding) for c in whole.changes
    ]


# The bench, small


@pytest.fixture(scope="module")
def people() -> Rows:
    """A column of each kind: few and many categories, a small spread, a long tail."""
    rng = np.random.default_rng(SEED)
    n = 4_000
    frame = pd.DataFrame(
        {
            "target": rng.normal(61.7, 1.4, n),
            "wealth": rng.lognormal(1.0, 1.5, n),
            "rooms": rng.integers(1, 9, n).astype(float),
            "city": [f"city {v}" for v in rng.zipf(1.4, n) % 900],
            "plan": rng.choice(["free", "basic", "gold"], n, p=[0.6, 0.3, 0.1]),
        }
    )
    return described("people", frame.mask(rng.random(frame.shape) < 0.03), "target")


@pytest.mark.parametrize(("n", "splits"), [(200, 8), (1_000, 4)])
def test_splits_without_change_raise_no_alarm(people: Rows, n: int, splits: int) -> None:
    print("seed", SEED)
    broken, alarms = calm_splits(people, n, splits, SEED)
    assert broken > alarms
    assert alarms <= 1  # of 120 splits at each size one raises an alarm


def test_each_change_is_found_in_each_column(people: Rows) -> None:
    print("seed", SEED)
    tried = list(found(people, 1_000, 2, SEED))
    assert {name for name, _, _ in tried} == set(CHANGES)
    assert [(name, column) for name, column, hits in tried if hits < 2] == []
    assert set(MEASURES) == set(Measure)
