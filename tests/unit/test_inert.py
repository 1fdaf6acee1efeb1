"""CSV that leaves the desk: whole, readable, and nothing in it is a formula."""

from __future__ import annotations

import csv
import io
import math
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.text.csv_output import inert_csv


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=", "  =1+1",
     "\uff1d1+1", "\uff0b1", "\uff0dx", "\uff20x", '="a"', "=1,2\n3"],
)  # fmt: skip
def test_a_formula_becomes_text_in_cells_and_in_headers(cell: str) -> None:
    ((header,), (value,)) = read(inert_csv([{cell: cell}]))
    assert header == value == f"'{cell}"


@pytest.mark.parametrize(
    ("value", "written"),
    [(-5, "-5"), (-1.5, "-1.5"), (1e300, "1e+300"), ("-5", "-5"), ("+1.25", "+1.25"),
     ("-1e-5", "-1e-5"), (0.1, "0.1"), (None, ""), (math.nan, ""), (True, "true"),
     (date(2026, 1, 2), "2026-01-02"),
     (datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00+00:00"),
     ("06016", "06016"), ("plain", "plain"), ("a=b", "a=b"), ("", "")],
)  # fmt: skip
def test_numbers_stay_numbers_and_text_stays_text(value: object, written: str) -> None:
    assert inert_csv([{"x": value}]).splitlines()[1:] in ([written], ['""'] if not written else [])


@pytest.mark.parametrize("cell", ["-5-cmd", "+1+1", "-1e", "-", "+", "-5 ", "-inf", "-nan"])
def test_what_only_begins_like_a_number_is_no_number(cell: str) -> None:
    assert read(inert_csv([{"x": cell}]))[1] == [f"'{cell}"]


def test_columns_are_those_of_all_rows_in_the_order_in_which_they_appear() -> None:
    rows: list[dict[str, Any]] = [{"b": 1}, {"a": 2, "b": 3}, {}]
    assert read(inert_csv(rows)) == [["b", "a"], ["1", ""], ["3", "2"], ["", ""]]
    assert inert_csv([]) == ""


@given(st.lists(st.dictionaries(st.text(min_size=1), st.one_of(st.text(), st.integers(),
       st.floats(allow_nan=False))), min_size=1, max_size=5))  # fmt: skip
def test_every_cell_comes_back_and_none_is_a_formula(rows: list[dict[str, Any]]) -> None:
    text = inert_csv(rows)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if not columns:
        assert text == ""
        return
    header, *body = read(text)
    assert [h.removeprefix("'") for h in header] == [c.removeprefix("'") for c in columns]
    for row, cells in zip(rows, body, strict=True):
        for column, cell in zip(columns, cells, strict=True):
            given_value = row.get(column, "")
            if isinstance(given_value, int | float):
                assert type(given_value)(cell.removeprefix("'")) == given_value
                continue
            assert cell.removeprefix("'") == given_value.removeprefix("'")
            if cell.startswith(("=", "@", "\t", "\r")):
                pytest.fail(f"{cell!r} is a formula")
            if cell.startswith(("+", "-")):
                float(cell)
