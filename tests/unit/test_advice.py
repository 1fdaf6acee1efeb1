"""Does it matter: ignore noise, retrain on what counts, block what is broken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.advice import (
    Advice,
    BatchScore,
    ErrorChange,
    Recommendation,
    advise,
    error_change,
    rank,
)
from core.broken import faults, unit_factor
from core.drift import compare
from core.profile import profile_number, profile_text
from core.records import ColumnProfile, DriftReport
from tests.build import profile, small_dataset

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
    assert "hardly looks at" in hardly.reasons[0]
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
    assert "+40.0%" in advice.reasons[0]


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
    first, second = rank(changes, {"temperature": 0.5}, DATA)
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
        (np.where(np.arange(500) % 2, np.nan, WARM), "empty in 50% of the rows"),
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
