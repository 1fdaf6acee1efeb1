"""The held-out fifth follows from a row's content, and from nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.rules.data.holdout import held_out, row_hash
from core.rules.data.text_column import TextColumn
from tests.build import small_dataset

RIDES = small_dataset()
numbers = st.floats(allow_infinity=False) | st.integers(-5, 5).map(float)
texts = st.sampled_from(["sun", "rain", ""]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=8
)
rows = st.lists(st.tuples(numbers, numbers, texts, texts), min_size=1, max_size=30)
steady = settings(derandomize=True, deadline=None, max_examples=60)


def columns(listed: list[tuple[float, float, str, str]]) -> dict[str, Any]:
    rides, temperature, weather, station = zip(*listed, strict=True)
    return {
        "rides": np.array(rides, dtype=np.float64),
        "temperature": np.array(temperature, dtype=np.float64),
        "weather": np.array(weather, dtype=object),
        "station": np.array(station, dtype=object),
    }


def drawn(count: int, seed: int = 0) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        "rides": random.integers(0, 500, count).astype(float),
        "temperature": random.normal(12, 8, count).round(2),
        "weather": random.choice(np.array(["sun", "rain", ""], dtype=object), count),
    }


def test_the_hash_is_the_one_that_split_the_rows_of_every_model_so_far() -> None:
    stored = columns([(1.0, 2.5, "sun", "7"), (0.0, np.nan, "", ""), (-3.0, 1e300, "año", "9")])
    golden = [8189618810672574446, 4847534920762869217, 1476075906550913194]
    assert row_hash(stored, RIDES).tolist() == golden
    assert held_out(stored, RIDES).tolist() == [value % 5 == 0 for value in golden]


@steady
@given(rows, st.randoms(use_true_random=False))
def test_neither_order_nor_company_moves_a_row(
    listed: list[tuple[float, float, str, str]], random: Any
) -> None:
    order = list(range(len(listed)))
    random.shuffle(order)
    together = held_out(columns(listed), RIDES)
    assert held_out(columns([listed[i] for i in order]), RIDES).tolist() == together[order].tolist()
    alone = [held_out(columns([row]), RIDES)[0] for row in listed]
    assert alone == together.tolist()


@steady
@given(rows, texts)
def test_identifiers_do_not_count(
    listed: list[tuple[float, float, str, str]], station: str
) -> None:
    given_rows = columns(listed)
    renamed = given_rows | {"station": np.array([station] * len(listed), dtype=object)}
    without = {name: values for name, values in given_rows.items() if name != "station"}
    assert row_hash(renamed, RIDES).tolist() == row_hash(given_rows, RIDES).tolist()
    assert row_hash(without, RIDES).tolist() == row_hash(given_rows, RIDES).tolist()


@steady
@given(rows)
def test_the_order_of_columns_and_the_kind_of_sequence_do_not_count(
    listed: list[tuple[float, float, str, str]],
) -> None:
    given_rows = columns(listed)
    lists = {name: given_rows[name].tolist() for name in reversed(given_rows)}
    assert row_hash(lists, RIDES).tolist() == row_hash(given_rows, RIDES).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_about_a_fifth_is_held_out(seed: int) -> None:
    assert held_out(drawn(50_000, seed), RIDES).mean() == pytest.approx(0.2, abs=0.01)


def test_a_fifth_of_each_category_is_held_out_too() -> None:
    some = drawn(50_000)
    held = held_out(some, RIDES)
    for weather in ("sun", "rain", ""):
        assert held[some["weather"] == weather].mean() == pytest.approx(0.2, abs=0.02)


def test_zeros_and_nulls_have_one_hash_each() -> None:
    payload = np.array([0x7FF8000000000001, 0xFFF8000000000000], dtype=np.uint64).view(np.float64)
    zeros = columns([(0.0, 0.0, "a", ""), (-0.0, -0.0, "a", "")])
    nulls = columns(
        [(1.0, np.nan, "a", ""), (1.0, payload[0], "a", ""), (1.0, payload[1], "a", "")]
    )
    assert len(set(row_hash(zeros, RIDES).tolist())) == 1
    assert len(set(row_hash(nulls, RIDES).tolist())) == 1


def test_the_same_value_in_another_column_is_another_row() -> None:
    first, second = row_hash(columns([(1.0, 2.0, "a", ""), (2.0, 1.0, "a", "")]), RIDES)
    assert first != second


def test_every_value_counts() -> None:
    hashes = row_hash(
        columns(
            [(1.0, 2.0, "a", ""), (1.0, 2.0, "b", ""), (1.0, 2.1, "a", ""), (9.0, 2.0, "a", "")]
        ),
        RIDES,
    )
    assert len(set(hashes.tolist())) == 4


def test_no_rows_have_no_side() -> None:
    empty = {name: values[:0] for name, values in drawn(3).items()}
    assert held_out(empty, RIDES).tolist() == []


def test_texts_by_place_have_the_hash_of_texts_by_row() -> None:
    by_row = drawn(50)
    known: list[str | None] = ["rain", "snow", None, "sun"]
    places = np.array([known.index(text or None) for text in by_row["weather"]])
    by_place = by_row | {"weather": TextColumn(known, places)}
    assert row_hash(by_place, RIDES).tolist() == row_hash(by_row, RIDES).tolist()
    assert TextColumn(known, places).counts() == {
        text: (places == place).sum() for place, text in enumerate(known) if text != "snow"
    }


def test_an_added_column_leaves_rows_without_it_on_their_side() -> None:
    before = small_dataset()
    weather, wind = before.column("weather"), before.column("temperature")
    added = [replace(c, name=n, added_later=True) for n, c in (("lane", weather), ("wind", wind))]
    after = replace(before, columns=(*before.columns, *added))
    rows = {
        "rides": np.arange(200.0), "temperature": np.arange(200.0) % 7, "weather": ["sun"] * 200,
    }  # fmt: skip
    empty = {"lane": [""] * 200, "wind": np.full(200, np.nan)}
    np.testing.assert_array_equal(row_hash(rows, before), row_hash(rows | empty, after))
    for filled in ({"lane": ["yes"] * 200}, {"wind": np.zeros(200)}):
        assert (row_hash(rows | empty | filled, after) != row_hash(rows, before)).all()
