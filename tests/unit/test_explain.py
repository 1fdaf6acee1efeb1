"""What pushed an answer: shares that are Shapley's, and add up to the answer."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.adapters.onnx_runtime import Runtime
from core.domain.dataset import Dataset
from core.rules.model.contract import read_row
from core.rules.model.shapley import MOST_EXACT, Explanation, shapley
from tests.build import contract, small_dataset
from tests.models import tiny_model


def game(players: int, seed: int) -> tuple[np.ndarray, object]:
    """A worth for every coalition, at random."""
    values = np.random.default_rng(seed).normal(0, 1, 2**players)
    return values, lambda inside: values[inside @ (1 << np.arange(players))]


def by_definition(values: np.ndarray, players: int) -> np.ndarray:
    """The mean gain when a player comes, over all orders."""
    shares, orders = np.zeros(players), list(permutations(range(players)))
    for order in orders:
        there = 0
        for player in order:
            shares[player] += (values[there | (1 << player)] - values[there]) / len(orders)
            there |= 1 << player
    return shares


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(0, 10_000))
def test_the_shares_are_those_of_the_definition(players: int, seed: int) -> None:
    values, worth = game(players, seed)
    baseline, shares = shapley(worth, players)  # type: ignore[arg-type]
    assert baseline == values[0]
    np.testing.assert_allclose(shares, by_definition(values, players), atol=1e-12)


def test_with_nobody_there_is_nothing_to_share() -> None:
    baseline, shares = shapley(lambda inside: np.full(len(inside), 7.0), 0)
    assert (baseline, len(shares)) == (7.0, 0)


def test_a_sample_adds_up_too_and_is_exact_where_gains_do_not_depend_on_others() -> None:
    players = MOST_EXACT + 4
    gains = np.arange(players, dtype=float)
    baseline, shares = shapley(lambda inside: 5 + inside @ gains, players)
    assert baseline == 5
    np.testing.assert_allclose(shares, gains)
    _, uneven = shapley(lambda inside: inside.sum(axis=1) ** 2.0, players)
    assert uneven.sum() == pytest.approx(players**2)


def test_on_the_logarithm_effects_are_factors() -> None:
    told = Explanation(True, math.log1p(100), {"a": math.log(2), "b": 0.0})
    assert told.prediction == pytest.approx(2 * 101 - 1)
    assert told.to_document()["fields"][0]["field"] == "a"
    assert told.to_document()["baseline"] == pytest.approx(100)


# The model itself


def test_a_model_that_sums_is_explained_by_the_differences_to_typical(dataset: Dataset) -> None:
    about = contract(small_dataset())
    runtime = Runtime(tiny_model(about, 3.0))
    row = read_row(about, {"temperature": 12.0, "weather": "b"})
    typical = {f.name: f.default for f in about.fields}
    told = runtime.explain(row)
    assert told is not None
    assert told.effects == {
        "temperature": pytest.approx(3 * (12 - float(typical["temperature"] or 0))),
        "weather": 0.0,
    }
    assert told.prediction == pytest.approx(36.0)


def test_a_typical_row_is_not_pushed(dataset: Dataset) -> None:
    about = contract(dataset)
    runtime = Runtime(tiny_model(about))
    row = read_row(about, {f.name: f.default for f in about.fields})
    told = runtime.explain(row)
    assert told is not None
    assert set(told.effects.values()) == {0.0}


def test_what_is_not_finite_is_not_explained(dataset: Dataset) -> None:
    about = contract(dataset)
    runtime = Runtime(tiny_model(about, -1.0))  # the logarithm of what it answers does not exist
    row = read_row(about, {"house_size": 1e6})
    assert about.on_log
    assert runtime.explain(row) is None
