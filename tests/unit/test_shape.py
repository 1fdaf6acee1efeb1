"""Shapes from profiles alone: shares that add up, and honest sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.profiles import ColumnProfile
from core.rules.data.profile import profile_number, profile_text
from core.rules.data.profile_bins import beyond, categories, overlay

numbers = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=300)


def of(values: list[float]) -> ColumnProfile:
    return profile_number("x", np.array(values, dtype=float))


@given(one=numbers, other=numbers, logarithmic=st.booleans())
def test_shares_are_shares_and_all_rows_are_accounted_for(
    one: list[float], other: list[float], *, logarithmic: bool
) -> None:
    seen = overlay(of(one), of(other), logarithmic=logarithmic)
    if seen is None:
        assert logarithmic
        assert max(*one, *other) <= 0 or min(*one, *other) <= 0
        return
    assert list(seen.edges) == sorted(seen.edges)
    for shares, outside in zip((seen.reference, seen.current), seen.outside, strict=True):
        assert len(shares) == len(seen.edges) - 1
        assert all(-1e-9 <= s <= 1 + 1e-9 for s in shares)
        assert sum(shares) + outside == pytest.approx(1.0, abs=1e-6)


def test_a_column_of_few_values_is_shown_value_by_value() -> None:
    seen = overlay(of([1.0] * 50 + [2.0] * 50), of([1.0] * 80 + [2.0] * 20))
    assert seen is not None
    assert seen.values == (1.0, 2.0)
    assert seen.reference == pytest.approx((0.5, 0.5), abs=0.011)
    assert seen.current == pytest.approx((0.8, 0.2), abs=0.011)


def test_an_empty_side_has_no_shape() -> None:
    assert overlay(of([1.0]), of([float("nan")])) is None


@given(numbers, numbers)
def test_values_beyond_the_range_are_counted(one: list[float], other: list[float]) -> None:
    below, above = beyond(of(one), of(other))
    lower = sum(v < min(one) for v in other) / len(other)
    upper = sum(v > max(one) for v in other) / len(other)
    exact = len(other) <= 128 or max(lower, upper) * len(other) < 64
    assert (below, above) == pytest.approx((lower, upper), abs=1e-9 if exact else 0.02)


def test_categories_that_came_and_went_are_named_the_common_ones_first() -> None:
    before = profile_text("x", {"a": 8, "b": 2}, 0)
    after = profile_text("x", {"a": 5, "c": 4, "d": 1}, 0)
    seen = categories(before, after)
    assert seen.new == (("c", 0.4), ("d", 0.1))
    assert seen.vanished == (("b", 0.2),)
    assert (seen.new_count, seen.vanished_count) == (2, 1)


def test_of_too_many_categories_no_count_is_claimed() -> None:
    many = profile_text("x", {f"v{n}": 1 for n in range(500)}, 0)
    assert categories(many, profile_text("x", {"new": 1}, 0)).new_count is None
