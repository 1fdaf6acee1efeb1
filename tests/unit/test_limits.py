"""Limits in force and previews: the newest wins, and a preview says what the rule would say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.dataset import STATISTICS
from core.domain.drift import Finding
from core.domain.errors import BadInput
from core.rules.drift.compare import compare
from core.rules.drift.thresholds import Cell, check, in_force, judged, of_dataset, preview
from tests.build import profile, small_dataset

DATA = small_dataset()
ratios = st.one_of(st.none(), st.floats(0, 1e6, allow_nan=False))
limits = st.floats(0.001, 1000)


def cells(found: list[float | None], limit: float = 0.15) -> list[Cell]:
    return [
        Cell(n // 4, n // 4, 1, n // 4, "rides", STATISTICS[n % 4], ratio, limit, None)
        for n, ratio in enumerate(found)
    ]


def test_limits_that_were_set_stand_in_the_place_of_the_datasets() -> None:
    changed = in_force(DATA, {("rides", "mean"): 9.0, ("gone", "mean"): 1.0})
    assert of_dataset(changed) == of_dataset(DATA) | {("rides", "mean"): 9.0}
    before, after = [profile("rides")], [profile("rides", mean=50.0)]
    assert compare(before, after, DATA).retrain
    assert not compare(before, after, changed).retrain


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({}, "nothing to put on record"),
        ({("weather", "mean"): 0.2}, "no limit for weather_mean"),
        ({("rides", "max"): 0.2}, "no limit for rides_max"),
        ({("rides", "mean"): 0.0}, "above 0"),
        ({("rides", "mean"): float("nan")}, "above 0"),
        ({("rides", "mean"): 1e6}, "at most"),
    ],
)
def test_what_is_no_limit_is_refused_in_words(
    wanted: dict[tuple[str, str], float | None], said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        check(DATA, wanted)


def test_a_limit_may_be_given_back() -> None:
    check(DATA, {("rides", "mean"): None, ("temperature", "75"): 0.2})


@given(st.lists(ratios, max_size=40), limits, limits)
def test_a_preview_counts_as_the_rule_does(
    found: list[float | None], then: float, now: float
) -> None:
    wanted = dict.fromkeys(of_dataset(DATA), now)
    seen = preview(cells(found, then), wanted)
    assert sum(p.breaches for p in seen) == sum(r is not None and r > then for r in found)
    assert sum(p.would_breach for p in seen) == sum(r is not None and r > now for r in found)
    for p in seen:
        assert p.changes == ((p.breaches == 0) != (p.would_breach == 0))


@given(limits)
def test_the_limit_itself_is_no_breach(limit: float) -> None:
    assert judged(limit, limit) is Finding.WITHIN
    assert judged(None, limit) is Finding.UNDEFINED


def test_columns_that_have_no_limit_any_more_count_as_they_did() -> None:
    gone = Cell(1, 1, 1, 0, "gone", "mean", 0.5, 0.15, None)
    (seen,) = preview([gone], {})
    assert (seen.breaches, seen.would_breach) == (1, 1)
