"""Profiles equal what pandas' describe() says of the same rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.data.profile import Profiler, profile_number
from tests.build import small_dataset


@given(
    st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9, allow_nan=False)), min_size=2, max_size=200)
)
def test_a_number_column_is_described_as_pandas_describes_it(values: list[float | None]) -> None:
    column = np.array(values, dtype=np.float64)
    seen = profile_number("temperature", column)
    described = pd.Series(column).describe()
    assert seen.count == described["count"]
    assert seen.count + seen.nulls == len(values)
    if seen.count:
        got = [seen.mean, seen.q50, seen.q75, seen.minimum, seen.maximum]
        assert got == pytest.approx(
            [described[k] for k in ("mean", "50%", "75%", "min", "max")], rel=1e-9, abs=1e-6
        )
    if seen.count > 1:
        assert seen.std == pytest.approx(described["std"], rel=1e-9, abs=1e-6)


def test_chunks_add_up_to_the_whole() -> None:
    whole, parts = Profiler(small_dataset()), Profiler(small_dataset())
    numbers = np.array([3.0, 1.0, np.nan, 2.0])
    texts = ["sun", None, "rain", "sun"]
    whole.add("temperature", numbers)
    whole.add("weather", texts)
    for n in range(4):
        parts.add("temperature", numbers[n : n + 1])
        parts.add("weather", texts[n : n + 1])
    assert whole.finish() == parts.finish()
    weather = {p.column: p for p in whole.finish()}["weather"]
    assert (weather.categories, weather.nulls, weather.distinct) == ({"sun": 2, "rain": 1}, 1, 2)
