"""Profiles of batches that are too large for exact ones: what is promised, whatever the values."""

from __future__ import annotations

from collections import Counter
from functools import reduce
from itertools import chain, pairwise
from operator import add
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.domain.profiles import ColumnProfile
from core.rules.data import profile, text_counts, value_bins
from core.rules.data.number_summary import NumberSummary
from core.rules.data.profile import NumberColumn, Profiler, profile_number
from core.rules.data.value_bins import ValueBins
from core.rules.drift.compare import compare
from core.rules.drift.noise_band import annotate
from tests.build import small_dataset

Floats = NDArray[np.float64]

NUMBERS = st.lists(st.floats(-1e9, 1e9).filter(lambda v: not 0 < abs(v) < 1e-9), min_size=1)


def arrays(numbers: list[float]) -> Floats:
    return np.array(numbers, dtype=np.float64)


def few_bins() -> Any:
    return patch.object(value_bins, "MOST_BINS", 12)


@given(NUMBERS)
def test_every_value_is_within_the_error_that_the_bins_state(numbers: list[float]) -> None:
    ordered = np.sort(arrays(numbers))
    with few_bins():
        bins = ValueBins.of(ordered)
    stands_for = bins[np.arange(len(ordered))]
    assert len(bins) == len(ordered)
    assert (np.abs(stands_for - ordered) <= bins.error * np.abs(ordered)).all()


@given(st.lists(NUMBERS, min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_parts_give_the_same_bins_and_extremes_in_any_order(
    parts: list[list[float]], chance: object
) -> None:
    shuffled = parts.copy()
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    with few_bins():
        whole = NumberSummary.of(arrays(list(chain(*parts))))
        for order in (parts, shuffled):
            merged = reduce(add, (NumberSummary.of(arrays(part)) for part in order))
            assert merged.bins.shift == whole.bins.shift
            for name in ("keys", "counts", "low", "high"):
                assert (getattr(merged.bins, name) == getattr(whole.bins, name)).all()
            assert (merged.low == whole.low).all()
            assert (merged.high == whole.high).all()


def profiled(values: Floats, most: int) -> ColumnProfile:
    column = NumberColumn("x", most)
    for part in np.array_split(values, 7):
        column.add(part)
    return column.profile()


def test_up_to_the_limit_a_profile_is_exact_to_the_bit() -> None:
    values = np.random.default_rng(1).lognormal(12, 1, 5_000)
    values[::9] = np.nan
    assert profiled(values, 5_000) == profile_number("x", values)


def test_above_the_limit_quantiles_are_within_the_error_and_all_else_is_exact() -> None:
    values = np.random.default_rng(2).lognormal(12, 2, 20_000)
    values[::9] = np.nan
    with patch.object(value_bins, "MOST_BINS", 1 << 10):
        found, exact = profiled(values, 4_000), profile_number("x", values)
    assert 0 < found.error < 0.02
    assert np.array(found.grid) == pytest.approx(np.array(exact.grid), rel=found.error)
    assert (found.count, found.nulls) == (exact.count, exact.nulls)
    assert (found.minimum, found.maximum) == (exact.minimum, exact.maximum)
    assert [found.mean, found.std] == pytest.approx([exact.mean, exact.std], rel=1e-12)
    tails, known = found.tails, exact.tails
    assert tails
    assert known
    assert (tails.low, tails.high) == (known.low, known.high)
    of_rest = [(t.rest, t.mean, t.std, t.skew, t.kurtosis) for t in (tails, known)]
    assert of_rest[0] == pytest.approx(of_rest[1], rel=1e-9)


def test_a_column_of_few_values_stays_exact_however_many_rows_it_has() -> None:
    values = np.random.default_rng(3).integers(-4, 9, 20_000).astype(float) / 10
    found, exact = profiled(values, 1_000), profile_number("x", values)
    assert found.error == 0
    assert (found.grid, found.q50, found.q75) == (exact.grid, exact.q50, exact.q75)
    assert found.tails
    assert exact.tails
    assert found.tails.steps == exact.tails.steps


def test_the_largest_and_smallest_floats_have_a_profile() -> None:
    largest = np.finfo(float).max
    values = np.array([largest, -largest, 0.0, 5e-324, -5e-324] * 500)
    found = profiled(values, 200)
    assert (found.minimum, found.maximum, found.q50) == (-largest, largest, 0.0)
    assert all(low <= high for low, high in pairwise(found.grid))


def test_a_constant_column_has_no_spread_and_one_without_values_no_figures() -> None:
    found = profiled(np.full(3_000, 0.1), 100)
    assert (found.mean, found.std, found.error) == (0.1, 0.0, 0.0)
    assert profiled(np.full(3_000, np.nan), 100) == ColumnProfile("x", count=0, nulls=3_000)


def test_a_large_batch_gives_the_same_profile_again() -> None:
    values = np.random.default_rng(4).standard_cauchy(20_000)
    with few_bins():
        assert profiled(values, 1_000) == profiled(values, 1_000)


@given(st.lists(st.lists(st.sampled_from("abcdefghijklmnopq")), min_size=1))
def test_counts_of_texts_are_too_low_by_at_most_what_is_stated(blocks: list[list[str]]) -> None:
    counts = text_counts.TextCounts()
    with patch.object(text_counts, "MOST_TEXTS", 6):
        for block in blocks:
            counts.add(block)
            text_counts.bound([counts])
            assert len(counts.counts) <= text_counts.MOST_TEXTS
    exact = Counter(text for block in blocks for text in block)
    assert counts.count == exact.total()
    assert counts.distinct <= len(exact)
    assert counts.lowered or counts.counts == exact
    for text, count in exact.items():
        assert count - counts.lowered <= counts.counts[text] <= count


@given(st.lists(st.lists(st.text("abc", max_size=9)), min_size=1))
def test_texts_are_bounded_by_their_characters_too(blocks: list[list[str]]) -> None:
    columns = [text_counts.TextCounts(), text_counts.TextCounts()]
    with patch.object(text_counts, "MOST_CHARACTERS", 40):
        for n, block in enumerate(blocks):
            columns[n % 2].add(block)
            text_counts.bound(columns)
            sizes = [sum(map(len, column.counts)) for column in columns]
            assert [column.characters for column in columns] == sizes
            assert sum(sizes) <= text_counts.MOST_CHARACTERS
    for n, column in enumerate(columns):
        for text, count in Counter(text for block in blocks[n::2] for text in block).items():
            assert count - column.lowered <= column.counts[text] <= count


def test_what_is_common_is_still_counted_among_texts_that_never_repeat() -> None:
    dataset = small_dataset()
    profiler, exact = Profiler(dataset), Profiler(dataset, exact=True)
    with patch.object(text_counts, "MOST_TEXTS", 100):
        for start in range(0, 3_000, 50):
            block = [f"v{n}" for n in range(start, start + 50)] + ["sun"] * 50 + [None]
            profiler.add("weather", block)
            exact.add("weather", block)
    weather, known = (
        {p.column: p for p in found.finish()}["weather"] for found in (profiler, exact)
    )
    assert (known.distinct, known.error, known.categories["sun"]) == (3_001, 0.0, 3_000)
    assert (weather.count, weather.nulls) == (known.count, known.nulls)
    assert 100 <= weather.distinct <= known.distinct
    assert weather.categories["sun"] >= 3_000 - weather.error * weather.count


def test_the_report_states_how_far_a_ratio_is_off() -> None:
    rng = np.random.default_rng(5)
    then, now = rng.lognormal(3, 1, 20_000), rng.lognormal(3.1, 1, 20_000)
    dataset = small_dataset()
    with patch.object(value_bins, "MOST_BINS", 1 << 8), patch.object(profile, "EXACT_ROWS", 500):
        reports = []
        for exact in (False, True):
            sides = [Profiler(dataset, exact=exact) for _ in range(2)]
            for side, values in zip(sides, (then, now), strict=True):
                side.add("temperature", values)
            before, after = (side.finish() for side in sides)
            reports.append(annotate(compare(before, after, dataset), before, after))
    estimated, exact_report = reports
    assert (exact_report.error, exact_report.estimate) == (0.0, "")
    assert estimated.estimate.startswith("Quantiles are estimated")
    for change, known in zip(estimated.changes, exact_report.changes, strict=True):
        if change.ratio is None or known.ratio is None:
            continue
        assert abs(change.ratio - known.ratio) <= change.error + 1e-9
        assert (change.error > 0) == (change.column == "temperature" and change.statistic in "5075")
