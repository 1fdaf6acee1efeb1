"""Does it matter: ignore noise, retrain on what counts, block what is broken."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.dataset import Dataset
from core.domain.drift import DriftReport
from core.domain.profiles import ColumnProfile
from core.rules.data.profile import Profiler, profile_number, profile_text
from core.rules.data.quality import faults, unit_factor
from core.rules.drift.compare import compare
from core.rules.drift.recommendation import (
    Advice,
    BatchScore,
    ErrorChange,
    Recommendation,
    advise,
    error_change,
    rank,
)
from tests.build import class_dataset, profile, small_dataset
from tests.stacks import REAL_ROWS, lacking

DATA = small_dataset()
RNG = np.random.default_rng(20261124)


def reported(band: float | None = None, **means: float) -> DriftReport:
    """A report whose means moved from 10 to these."""
    before = [profile("rides"), profile("temperature")]
    after = [profile(c, mean=means.get(c, 10.0)) for c in ("rides", "temperature")]
    seen = compare(before, after, DATA)
    return replace(seen, changes=tuple(replace(c, band=band) for c in seen.changes))


def score(batch: int, mae: float, *, rows: int = 400, spread: float = 5.0) -> BatchScore:
    return BatchScore(batch, 3, rows, {"mae": mae}, spread)


def told(report: DriftReport, **rest: Any) -> Advice:
    return advise(DATA, [report], **{"champion": 3, "error": None} | rest)


def test_without_a_model_there_is_nothing_to_keep() -> None:
    advice = told(reported(), champion=None)
    assert advice.recommendation is Recommendation.RETRAIN
    assert "No model is live" in advice.reasons[0]


def test_breaches_that_could_be_noise_are_ignored() -> None:
    advice = told(reported(band=9.0, temperature=20.0))
    assert advice.recommendation is Recommendation.IGNORE
    assert "could be noise" in advice.reasons[0]


def test_real_drift_of_what_the_model_leans_on_asks_for_training() -> None:
    report = reported(band=0.1, temperature=20.0)
    leaned = told(report, importance={"temperature": 0.4})
    assert leaned.recommendation is Recommendation.RETRAIN
    assert "Temperature" in leaned.reasons[0]
    hardly = told(report, importance={"temperature": 0.0001})
    assert hardly.recommendation is Recommendation.IGNORE
    assert "hardly depends" in hardly.reasons[0]
    unknown = told(report)
    assert unknown.recommendation is Recommendation.RETRAIN


def test_drift_of_the_target_always_matters() -> None:
    advice = told(reported(band=0.1, rides=20.0), importance={"temperature": 0.4})
    assert advice.recommendation is Recommendation.RETRAIN
    assert "target itself" in advice.reasons[0]


def test_a_risen_error_asks_for_training_though_nothing_drifted() -> None:
    error = error_change(score(9, 14.0), [score(8, 10.0), score(7, 10.0)])
    assert error is not None
    assert error.rose
    advice = told(reported(), error=error)
    assert advice.recommendation is Recommendation.RETRAIN
    assert "+40.0 %" in advice.reasons[0]


def test_a_share_of_wrong_answers_rises_in_points() -> None:
    classes = class_dataset("yes", "no")
    now, before = ({"accuracy": a} for a in (0.84, 0.96))
    error = error_change(BatchScore(9, 3, 400, now, 0.3), [BatchScore(8, 3, 400, before, 0.3)])
    report = compare([profile("temperature")], [profile("temperature")], classes)
    told = " ".join(advise(classes, [report], champion=3, error=error).reasons)
    assert "rose: 16.0 % on 400 held-out rows, +12.0 points against 4.0 %" in told


@pytest.mark.parametrize(
    ("now", "rows", "rose"), [(14.0, 400, True), (14.0, 20, False), (10.9, 40_000, False)]
)
def test_a_rise_must_be_large_and_more_than_chance(now: float, rows: int, *, rose: bool) -> None:
    earlier = [score(8, 10.0, spread=15.0)]
    error = error_change(score(9, now, rows=rows, spread=15.0), earlier)
    assert error is not None
    assert error.rose is rose


def test_scores_of_other_versions_or_without_metrics_do_not_count() -> None:
    other = BatchScore(8, 2, 400, {"mae": 1.0}, 5.0)
    empty = BatchScore(7, 3, 3, {}, note="too few")
    error = error_change(score(9, 10.0), [other, empty])
    assert error == ErrorChange(3, 400, 10.0, None, 0, 0, False)
    assert error_change(empty, [score(8, 10.0)]) is None


def test_faults_block_whatever_else_is_said() -> None:
    advice = told(reported(temperature=20.0), faults=["Temperature is empty in every row."])
    assert advice.recommendation is Recommendation.BLOCK
    assert advice.reasons[0] == "Temperature is empty in every row."


def test_columns_are_ranked_by_drift_times_importance() -> None:
    changes = reported(band=0.01, rides=12.0, temperature=14.0).changes
    first, second, _ = rank(changes, {"temperature": 0.5}, DATA)
    assert (first.column, second.column) == ("temperature", "rides")
    assert first.weight == pytest.approx(0.4 / 0.15 * 0.5)
    assert second.importance is None
    assert second.weight == pytest.approx(0.2 / 0.15 * 0.5)  # the target counts as the most


def test_advice_survives_the_store() -> None:
    advice = told(reported(temperature=20.0), error=error_change(score(9, 1.0), [score(8, 2.0)]))
    assert Advice.from_json(advice.to_json()) == advice


# What looks broken


def numeric(values: Any, column: str = "temperature") -> ColumnProfile:
    return profile_number(column, np.asarray(values, dtype=float))


WARM = RNG.normal(15, 4, 500)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.full(500, np.nan), "empty in every row"),
        (np.where(np.arange(500) % 2, np.nan, WARM), "empty in 50.0 % of the rows"),
        (np.full(500, 15.0), "same value in every row"),
        (WARM * 1000, "1,000 times"),
        (WARM / 10, "one part in 10"),
        (RNG.normal(9e5, 3e5, 500), "far beyond"),
    ],
)
def test_broken_columns_are_named(values: Any, said: str) -> None:
    (fault,) = faults([numeric(WARM)], [numeric(values)], DATA)
    assert "Temperature" in fault
    assert said in fault


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("monster", [1e200, -1e15, 1.7e308])
def test_one_absurd_value_is_a_fault_with_a_reference_or_without(
    monster: float, *, known: bool
) -> None:
    reference = [numeric(WARM)] if known else []
    (said,) = faults(reference, [numeric([*WARM[:29], monster])], DATA)
    assert "Temperature has the value" in said
    assert len(said) < 200
    assert faults([numeric([*WARM, monster])], [numeric([*WARM, monster])], DATA) == ()


def test_a_long_tail_is_no_fault_and_neither_is_a_column_of_zeros() -> None:
    rng = np.random.default_rng(7)
    for values in (rng.pareto(1.0, 5_000), rng.lognormal(0, 2.5, 5_000), [*np.zeros(99), 1e6]):
        assert faults([], [numeric(values)], DATA) == ()


def test_no_batch_of_the_real_rows_looks_broken(dataset: Dataset) -> None:
    folder = REAL_ROWS / "api"
    if not folder.exists():
        lacking("the folder of real rows")
    seen: list[ColumnProfile] = []
    for path in sorted(folder.glob("batch_*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        profiler = Profiler(dataset)
        for column in dataset.compared:
            cells = (row[column.name] for row in rows)
            profiler.add(column.name, np.array([float(c) if c else np.nan for c in cells]))
        batch = [p for p in profiler.finish() if p.column in {c.name for c in dataset.compared}]
        assert faults(seen, batch, dataset) == faults([], batch, dataset) == (), path.name
        seen = batch


def test_a_text_column_of_unknown_values_is_named_and_another_way_of_writing_is_seen() -> None:
    before = profile_text("weather", {f"kind {n}": 30 for n in range(20)}, 0)
    same = profile_text("weather", {f"kind {n}": 3 for n in range(5)} | {"new": 20}, 0)
    other = profile_text("weather", {f"x{n}": 30 for n in range(20)}, 0)
    one_new = profile_text("weather", {"Massachusetts": 176}, 0)
    assert faults([before], [one_new], DATA) == ()
    upper = profile_text("weather", {f"KIND-{n}": 30 for n in range(20)}, 0)
    assert faults([before], [same], DATA) == ()
    assert "hardly any was ever seen" in faults([before], [other], DATA)[0]
    assert "another way of writing" in faults([before], [upper], DATA)[0]


def test_a_column_whose_values_hardly_repeat_has_new_ones_in_every_batch() -> None:
    streets = profile_text("station", {f"{n:05}": 1 + n % 2 for n in range(60)}, 0)
    others = profile_text("station", {f"9{n:04}": 1 for n in range(95)}, 0)
    assert faults([streets], [others], DATA) == ()


def test_a_batch_from_one_new_place_has_new_values_elsewhere_too() -> None:
    """As batch 3 of the course's data: all of one new state, and so all of new cities."""
    states = profile_text("weather", {"Ohio": 300, "Utah": 300}, 0)
    cities = profile_text("station", {f"{n:05}": 30 for n in range(20)}, 0)
    new_cities = profile_text("station", {f"9{n:04}": 30 for n in range(20)}, 0)
    new_state = profile_text("weather", {"Massachusetts": 600}, 0)
    assert faults([states, cities], [new_state, new_cities], DATA) == ()
    (said,) = faults([states, cities], [states, new_cities], DATA)
    assert "hardly any was ever seen" in said
    shouted = profile_text("weather", {"OHIO": 600}, 0)
    assert len(faults([states, cities], [shouted, new_cities], DATA)) == 2


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.3, 2.0, 5.0, 7.0])
def test_what_a_market_does_is_not_broken(factor: float) -> None:
    prices = np.exp(RNG.normal(12.5, 0.6, 800))
    others = np.exp(RNG.normal(12.5, 0.7, 800)) * factor
    assert faults([numeric(prices, "rides")], [numeric(others, "rides")], DATA) == ()


@given(
    st.sampled_from([10.0, 100.0, 1000.0]),
    st.lists(st.floats(1.0, 1e6), min_size=30, max_size=60, unique=True),
)
def test_a_change_of_unit_is_found_in_any_column(factor: float, values: list[float]) -> None:
    assert "times" in unit_factor(numeric(values), numeric(np.array(values) * factor))
    assert unit_factor(numeric(values), numeric(values)) == ""
