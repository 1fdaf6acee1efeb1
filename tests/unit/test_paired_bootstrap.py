"""The interval of a difference: the figures of drawn rows, whatever the number of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.rules.model import paired_bootstrap
from core.rules.model.evaluation import score
from core.rules.model.paired_bootstrap import MOST_GROUPS, RESAMPLES, differences, mean_difference

SEED = 11


def models(rows: int, seed: int = SEED) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    actual = rng.lognormal(3, 1, rows)
    return actual, actual * rng.lognormal(0, 0.3, rows), actual * rng.lognormal(0, 0.33, rows)


def by_drawing(
    actual: np.ndarray, candidate: np.ndarray, other: np.ndarray
) -> dict[str, tuple[float, float]]:
    """The textbook method: copy the drawn rows, and compute every metric of the copy."""
    rng = np.random.default_rng(20261124)
    drawn = []
    for _ in range(RESAMPLES):
        rows = rng.integers(0, len(actual), len(actual))
        mine, theirs = score(actual[rows], candidate[rows]), score(actual[rows], other[rows])
        drawn.append([mine[name] - theirs[name] for name in mine])
    ends = np.quantile(drawn, [0.025, 0.975], axis=0).T
    return dict(zip(score(actual, actual), map(tuple, ends.tolist()), strict=True))


@given(
    rows=st.lists(
        st.tuples(*[st.floats(-1e6, 1e6, width=32)] * 2, st.sampled_from([0.0, 1.0, 5.0, -3.5])),
        min_size=1,
        max_size=40,
    )
)
@settings(max_examples=15, deadline=None)
def test_it_gives_the_figures_of_drawn_rows(rows: list[tuple[float, float, float]]) -> None:
    candidate, other, actual = np.array(rows).T
    expected = by_drawing(actual, candidate, other)
    for name, found in differences(actual, candidate, other).items():
        scale = max(abs(v) for v in (*expected[name], 1.0))
        assert (found.low, found.high) == pytest.approx(expected[name], abs=1e-6 * scale), name


def test_the_difference_itself_is_that_of_all_rows() -> None:
    actual, candidate, other = models(MOST_GROUPS + 77)
    mine, theirs = score(actual, candidate), score(actual, other)
    for name, found in differences(actual, candidate, other).items():
        assert found.difference == pytest.approx(mine[name] - theirs[name], rel=1e-9), name


def test_groups_of_rows_give_an_interval_as_wide_as_single_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    print("seed", SEED)
    rows = models(30_000)
    grouped = differences(*rows)
    monkeypatch.setattr(paired_bootstrap, "MOST_GROUPS", 10**9)
    single = differences(*rows)
    for name, found in grouped.items():
        wide = single[name].high - single[name].low
        assert found.high - found.low == pytest.approx(wide, rel=0.2), name


def test_a_mean_of_many_rows_has_the_interval_of_the_normal_distribution() -> None:
    print("seed", SEED)
    gaps = np.random.default_rng(SEED).normal(0.5, 2.0, 300_000)
    found = mean_difference(gaps, np.random.default_rng(SEED))
    expected = 2 * 1.96 * 2.0 / np.sqrt(len(gaps))
    assert found.high - found.low == pytest.approx(expected, rel=0.15)
    assert found.low < 0.5 < found.high


def test_a_model_without_finite_answers_is_never_significantly_better() -> None:
    actual, candidate, other = models(200)
    candidate[:3] = [np.inf, -np.inf, np.nan]
    for name, found in differences(actual, candidate, other).items():
        if name == "r2":
            assert not found.low > 0
        elif name != "mdape":
            assert not found.high < 0
