"""The noise band: noise is called noise, and what is none is not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.noise import HEAVY, LIGHT, alarms, report, simulate
from core.domain.dataset import STATISTICS
from core.domain.drift import Finding, Measure
from core.domain.profiles import ColumnProfile
from core.rules.data.order_statistics import KEPT_EXTREMES
from core.rules.data.profile import profile_number
from core.rules.drift.compare import compare
from core.rules.drift.noise_band import annotate, bands
from tests.build import profile, small_dataset

SEED = 20261124
TRIALS = 100
# With a promise of 5 %, 100 trials have more than 11 false alarms once in 230 times.
MOST = 11 / TRIALS

numbers = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.whole
@pytest.mark.parametrize("name", HEAVY)
def test_on_heavy_tails_false_alarms_are_held(name: str) -> None:
    print("seed", SEED)
    seen = simulate(HEAVY[name], 10_000, 10_000, trials=TRIALS, seed=SEED, rise=0)
    assert seen.broke > 0.7  # without the band nearly every report would require retraining
    assert seen.false <= MOST
    assert seen.beyond <= MOST


@pytest.mark.parametrize("name", LIGHT)
def test_a_real_rise_of_30_percent_is_found(name: str) -> None:
    print("seed", SEED)
    seen = simulate(LIGHT[name], 10_000, 10_000, trials=20, seed=SEED)
    assert seen.found == 1.0
    assert seen.false <= 0.1


@pytest.mark.whole
@pytest.mark.parametrize(("then", "now"), [(60, 400), (400, 60), (400, 400), (150, 10_000)])
def test_sizes_may_differ_and_be_small(then: int, now: int) -> None:
    print("seed", SEED)
    for draw in (HEAVY["acre_lot (rare 100,000s)"], LIGHT["rooms (1 to 9)"]):
        seen = simulate(draw, then, now, trials=TRIALS, seed=SEED, rise=0)
        assert seen.beyond <= MOST


def test_a_jump_between_two_values_in_the_middle_is_noise() -> None:
    rng = np.random.default_rng(SEED)
    for _ in range(20):
        one, other = (rng.integers(3, 5, 2_000).astype(float) for _ in range(2))
        assert not alarms(report(one, other))


def test_one_absurd_value_is_noise_and_all_values_in_another_unit_are_not() -> None:
    rng = np.random.default_rng(SEED)
    one, other = rng.normal(10, 1, 500), rng.normal(10, 1, 500)
    other[7] = 1e6
    stretched = report(one, other)
    assert stretched.retrain
    assert not alarms(stretched)
    assert alarms(report(one, other * 1000))


def test_the_band_is_the_same_every_time_and_leaves_the_verdict_alone() -> None:
    rng = np.random.default_rng(SEED)
    before = [profile_number("rides", rng.pareto(1.0, 5_000))]
    after = [profile_number("rides", rng.pareto(1.0, 5_000))]
    plain = compare(before, after, small_dataset())
    first, second = (annotate(plain, before, after) for _ in range(2))
    assert first == second
    assert first.retrain == plain.retrain
    assert {r.text for r in first.reasons} == {r.text for r in plain.reasons}
    assert [c.finding for c in first.changes] == [c.finding for c in plain.changes]


def test_profiles_from_before_there_were_tails_have_no_band_and_claim_no_noise() -> None:
    before, after = [profile("rides")], [profile("rides", mean=99.0)]
    seen = annotate(compare(before, after, small_dataset()), before, after)
    (mean,) = [c for c in seen.changes if c.name == "rides_mean"]
    assert (mean.finding, mean.band, mean.could_be_noise) == (Finding.BREACH, None, False)


def test_a_profile_keeps_a_bounded_number_of_values() -> None:
    kept = profile_number("x", np.arange(300_000, dtype=float)).tails
    assert kept
    assert (len(kept.low), len(kept.high)) == (KEPT_EXTREMES, KEPT_EXTREMES)
    assert kept.rest == 300_000 - 2 * KEPT_EXTREMES
    assert kept.kurtosis == pytest.approx(1.8, abs=0.01)  # of a uniform distribution


@settings(deadline=None, max_examples=60)
@given(st.lists(numbers, max_size=200), st.lists(numbers, max_size=200))
@example([1.7976931348623157e308], [-9.9792015476736e291])
def test_whatever_comes_in_a_band_is_a_finite_number(old: list[float], new: list[float]) -> None:
    with np.errstate(all="ignore"):
        before, after = (profile_number("x", np.array(v, dtype=float)) for v in (old, new))
    found = bands(before, after, 0.0025)
    assert set(found) <= {*STATISTICS, Measure.SHIFT, Measure.NULLS}
    assert all(math.isfinite(b) and b >= 0 for b in found.values())


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400))
def test_tails_and_rest_add_up_to_the_column(values: list[float]) -> None:
    column = np.array(values)
    seen: ColumnProfile = profile_number("x", column)
    assert seen.tails
    t = seen.tails
    ends = np.array([*t.low, *t.high])
    assert len(ends) + t.rest == seen.count
    assert (ends.sum() + t.rest * t.mean) / seen.count == pytest.approx(
        float(column.mean()), rel=1e-6, abs=1e-3
    )


def test_a_breach_that_could_be_noise_is_no_headline() -> None:
    """The worst ratio is noise in a long tail; the smaller one is real."""
    rng = np.random.default_rng(1)  # a seed at which the tail differs most
    steady = rng.normal(100.0, 1.0, 5_000)
    before = [
        profile_number("rides", rng.pareto(1.0, 5_000)), profile_number("temperature", steady)
    ]  # fmt: skip
    after = [
        profile_number("rides", rng.pareto(1.0, 5_000)), profile_number("temperature", 1.2 * steady)
    ]  # fmt: skip
    plain = compare(before, after, small_dataset())
    found = annotate(plain, before, after)
    noise = {c.name for c in found.changes if c.could_be_noise}
    assert plain.reasons[0].change in noise
    assert found.reasons[0].change.startswith("temperature")
    assert [r.change in noise for r in found.reasons] == [r.could_be_noise for r in found.reasons]
    assert found.reasons[-1].says.endswith("Could be noise.")
