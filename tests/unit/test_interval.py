"""The range around an answer: as wide as past misses ask for, level by level, and measured."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.rules.data.profile import profile_number
from core.rules.model.contract import Contract
from core.rules.model.prediction_interval import FEWEST_ROWS, Interval, calibrate
from tests import build

SEED = 20261124


def hashes(count: int, random: np.random.Generator) -> Any:
    return random.integers(0, 2**63, count, dtype=np.uint64)


def noisy(count: int, random: np.random.Generator) -> tuple[Any, Any]:
    """Actual and predicted, where dear rows are missed by far more than cheap ones."""
    predicted = np.exp(random.normal(12, 1, count))
    spread = np.where(predicted > np.exp(12), 0.6, 0.1)
    return predicted * np.exp(spread * random.standard_t(3, count)), predicted


def test_what_was_promised_is_kept_on_unseen_rows_cheap_and_dear() -> None:
    print(f"seed {SEED}")
    random = np.random.default_rng(SEED)
    actual, predicted = noisy(4_000, random)
    grid = profile_number("y", actual).grid
    made = calibrate(actual, predicted, hashes(4_000, random), levels=grid, on_log=True)
    assert made is not None
    assert made.calibrated_on + made.measured_on == 4_000
    assert len(made.widths) == 5
    assert made.widths[-1] > 3 * made.widths[0]
    assert made.measured == pytest.approx(0.9, abs=0.03)
    unseen, said = noisy(20_000, random)
    low, high = np.array([made.bounds(p) for p in said.tolist()]).T
    within = (low <= unseen) & (unseen <= high)
    assert within.mean() == pytest.approx(0.9, abs=0.03)
    for part in np.array_split(np.argsort(said), 4):
        assert within[part].mean() == pytest.approx(0.9, abs=0.07)


def test_over_many_draws_the_promise_is_kept_on_average() -> None:
    """Small halves: a single draw is off, the mean over draws is not below the promise."""
    print(f"seed {SEED}")
    random = np.random.default_rng(SEED)
    shares = []
    for _ in range(300):
        actual, predicted = noisy(120, random)
        made = calibrate(actual, predicted, hashes(120, random), levels=(), on_log=True)
        assert made is not None
        shares.append(made.measured)
    assert 0.89 < np.mean(shares) < 0.93


def test_the_same_rows_give_the_same_range_in_any_order() -> None:
    random = np.random.default_rng(SEED)
    actual, predicted = noisy(500, random)
    marks = hashes(500, random)
    grid = profile_number("y", actual).grid
    once = calibrate(actual, predicted, marks, levels=grid, on_log=False)
    order = random.permutation(500)
    again = calibrate(actual[order], predicted[order], marks[order], levels=grid, on_log=False)
    assert once == again


def test_too_few_rows_give_no_range() -> None:
    random = np.random.default_rng(SEED)
    for count in (0, 1, 2 * FEWEST_ROWS - 1):
        actual, predicted = noisy(count, random)
        marks = hashes(count, random)
        assert calibrate(actual, predicted, marks, levels=(1.0, 2.0), on_log=True) is None


@pytest.mark.parametrize("levels", [(), (5.0,) * 101, tuple(float(n) for n in range(101))])
def test_few_rows_share_one_level(levels: tuple[float, ...]) -> None:
    random = np.random.default_rng(SEED)
    actual, predicted = noisy(100, random)
    made = calibrate(actual, predicted, hashes(100, random), levels=levels, on_log=False)
    assert made is not None
    assert len(made.widths) == 1


INTERVAL = Interval(0.9, True, (100.0,), (0.5, 1.0), 50, 0.91, 50)


@settings(deadline=None)
@given(st.floats(0, 1e9), st.booleans(), st.one_of(st.none(), st.just(0.0)))
def test_a_range_is_around_its_answer(prediction: float, on_log: Any, floor: float | None) -> None:
    made = Interval(0.9, on_log, (100.0,), (0.5, 1.0), 50, 0.91, 50, floor)
    low, high = made.bounds(prediction)
    assert low <= prediction <= high
    assert floor is None or low >= floor


def test_ranges_are_factors_on_the_log_and_amounts_otherwise() -> None:
    assert INTERVAL.bounds(99.0) == pytest.approx(
        (100 / math.exp(0.5) - 1, 100 * math.exp(0.5) - 1)
    )
    assert INTERVAL.bounds(100.0)[1] == pytest.approx(101 * math.e - 1)
    plain = Interval(0.9, False, (), (7.0,), 50, 0.91, 50)
    assert plain.bounds(10.0) == (3.0, 17.0)


def test_a_contract_carries_its_interval_and_an_old_one_has_none() -> None:
    plain = build.contract(build.small_dataset())
    ranged = replace(plain, interval=INTERVAL)
    assert Contract.from_json(ranged.to_json()) == ranged
    old = json.loads(plain.to_json())
    del old["interval"]  # as files were before there were ranges
    assert Contract.from_json(json.dumps(old)) == plain


def test_an_interval_survives_the_model_file() -> None:
    assert Interval.from_document(asdict(INTERVAL)) == INTERVAL
    with pytest.raises(ValueError, match="one width a level"):
        Interval.from_document(asdict(INTERVAL) | {"widths": [1.0]})
