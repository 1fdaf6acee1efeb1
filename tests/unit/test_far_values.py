"""Values far outside the former range: a fact of their own, and never noise."""

from __future__ import annotations

import numpy as np
import pytest

from bench.noise import HEAVY, LIGHT
from core.domain.drift import DriftReport, Finding
from core.domain.profiles import ColumnProfile
from core.rules.data.far_values import far_values
from core.rules.data.profile import profile_number
from core.rules.drift.recommendation import Advice, Recommendation, advise
from core.rules.drift.report import drift_report
from tests.build import small_dataset

DATA = small_dataset()
SEED = 20261201
BROKEN = -999_999.0


def sides(*broken: float) -> tuple[list[ColumnProfile], list[ColumnProfile]]:
    """Two batches of 111 rows from 18 to 42; the first rows of the second have these values."""
    print("seed", SEED)
    rng = np.random.default_rng(SEED)
    then, now = (rng.normal(28, 4, 111).clip(18, 42) for _ in range(2))
    then[:2] = 18, 42
    now[: len(broken)] = broken
    rides = rng.normal(10, 1, 111)
    return [profile_number("rides", rides), profile_number("temperature", then)], [
        profile_number("rides", rides),
        profile_number("temperature", now),
    ]


def said(*broken: float) -> list[str]:
    return [far.says for far in far_values(*sides(*broken), DATA)]


def test_a_broken_value_is_a_fact_of_its_own() -> None:
    fact = "Temperature: 1 of 111 values lies far outside the former range 18 to 42: -999,999."
    assert said(BROKEN) == [fact]
    assert said(BROKEN, BROKEN, 5_000.0) == [
        "Temperature: 3 of 111 values lie far outside the former range 18 to 42: -999,999, 5,000."
    ]
    assert said(300.0)
    assert not said(-99.0)
    assert not said()
    assert not said(*[BROKEN] * 56)  # not the cells are broken, but the column


@pytest.mark.parametrize("name", [*HEAVY, *LIGHT])
def test_a_long_tail_has_none(name: str) -> None:
    print("seed", SEED)
    rng, draw = np.random.default_rng(SEED), (HEAVY | LIGHT)[name]
    found = [
        far_values(
            [profile_number("rides", draw(rng, n))], [profile_number("rides", draw(rng, n))], DATA
        )
        for n in (111, 400, 2_000)
        for _ in range(30)
    ]
    # Of the lot sizes one in 5,000 is up to 100,000 times the others: that is what is looked for.
    assert sum(map(bool, found)) <= (15 if "rare" in name else 1)


def test_what_a_broken_value_changes_is_never_called_noise() -> None:
    report = drift_report(*sides(BROKEN), DATA)
    of_column = [r for r in report.reasons if r.change.startswith("temperature_")]
    assert {r.change for r in of_column} == {"temperature_mean", "temperature_std"}
    for reason in of_column:
        assert "noise" not in reason.says
        assert "1 of 111 values lies far outside the former range 18 to 42" in reason.says


def test_its_column_comes_first_and_nothing_is_to_be_learned_from_it() -> None:
    then, now = sides(BROKEN)
    advice = advised(drift_report(then, now, DATA), then, now)
    assert advice.columns[0].column == "temperature"
    assert advice.columns[0].drift > 1
    assert advice.recommendation is Recommendation.IGNORE
    assert advice.reasons[0].startswith("Temperature: 1 of 111 values lies far outside")
    assert "hold the batch, before anything is trained on it" in advice.reasons[0]
    assert "noise" not in " ".join(advice.reasons)
    assert type(advice).from_json(advice.to_json()) == advice
    without = {k: v for k, v in advice.to_json().items() if k != "far"}  # as older desks stored it
    assert type(advice).from_json(without).far == ()


def test_drift_beside_a_broken_value_still_asks_for_training() -> None:
    then, now = sides(BROKEN)
    rng = np.random.default_rng(SEED)
    now[0] = profile_number("rides", rng.normal(20, 1, 111))
    advice = advised(drift_report(then, now, DATA), then, now)
    assert advice.recommendation is Recommendation.RETRAIN
    assert "Temperature" in advice.lead
    assert "the target itself drifted: Rides" in advice.lead


def test_the_rule_and_its_ratios_are_as_they_were() -> None:
    report = drift_report(*sides(BROKEN), DATA)
    assert report.retrain
    mean = next(c for c in report.changes if c.name == "temperature_mean")
    assert mean.finding is Finding.BREACH
    assert mean.could_be_noise  # no division of the rows tells it from noise


def advised(report: DriftReport, then: list[ColumnProfile], now: list[ColumnProfile]) -> Advice:
    far = far_values(then, now, DATA)
    return advise(DATA, [report], far=far, champion=1, error=None, importance={"temperature": 0.4})
