"""A batch's profile as a table: days as days, shares of the most common values."""

from __future__ import annotations

import pytest

from console.text.profile_table import number_rows, text_rows, time_rows
from core.domain.dataset import Dataset
from tests.build import profile


def test_a_day_is_shown_as_a_day_and_its_spread_in_days(dataset: Dataset) -> None:
    seen = profile("prev_sold_date", mean=17_170.4, std=2_487.2, minimum=7_242.0)
    (row,) = time_rows([seen, profile("state")], dataset)
    assert (row["Mean"], row["Spread (std)"]) == ("2017-01-04", "2,487 days")
    assert row["Least"] == "1989-10-30"


def test_the_most_common_values_have_shares_of_the_known_ones(dataset: Dataset) -> None:
    seen = profile("state", count=12, nulls=2, categories={"Ohio": 3, "Iowa": 6, "Utah": 1})
    (row,) = text_rows([seen, profile("prev_sold_date")], dataset)
    assert row["Most common"] == "Iowa (60.0 %), Ohio (30.0 %), Utah (10.0 %)"
    assert row["Empty %"] == pytest.approx(16.67, abs=0.01)


def test_figures_of_numbers_are_numbers_that_sort(dataset: Dataset) -> None:
    seen = [profile("price", mean=1_234.56), profile("bed", mean=3.45678), profile("state")]
    price, bed = number_rows(seen, dataset)
    assert (price["Mean"], bed["Mean"]) == (1_235.0, 3.457)
    assert (price["Column"], price["Unit"]) == ("Price", "USD")
