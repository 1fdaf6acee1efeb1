"""Rows of a served CSV file are read as those of a batch: names, dates, quotes, long lines."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.dataset import Dataset
from core.platform.dataset_file import parse_text
from core.rules.model.contract import describe
from serving.http import csv_stream
from serving.http.csv_stream import MAX_LINE, csv_chunks

RIDES = """
name = "rides"
title = "Rides"
unit = "ride"
[source]
kind = "upload"
[[columns]]
name = "warmth"
source = "Temperature (°C)"
label = "Warmth"
type = "number"
role = "feature"
[[columns]]
name = "day"
source = "Day"
label = "Day"
type = "date"
parse = "%d/%m/%Y"
role = "feature"
[[columns]]
name = "weather"
label = "Weather"
type = "category"
role = "feature"
[[columns]]
name = "at"
label = "At"
type = "timestamp"
epoch = "s"
role = "feature"
[[columns]]
name = "count"
label = "Rides"
type = "number"
role = "target"
"""


@pytest.fixture(scope="module")
def rides() -> Dataset:
    return parse_text(RIDES, "rides.toml")


def read(dataset: Dataset, content: bytes) -> tuple[list[Any], dict[int, str]]:
    """All rows and what is wrong with them, by their place in the file."""
    rows: list[Any] = []
    problems: dict[int, str] = {}
    for some, wrong in csv_chunks(io.BytesIO(content), describe(dataset, [])):
        problems |= {len(rows) + n: why for n, why in wrong.items()}
        rows += some
    return rows, problems


def test_columns_have_their_names_in_batches_and_dates_are_written_as_there(rides: Dataset) -> None:
    content = (
        "Temperature (°C);Day;weather;at\n21,5;20/03/2026;sun;86400\n;2026-03-21;;1970-01-02\n"
    ).encode()
    assert read(rides, content) == (
        [
            {"warmth": 21.5, "day": "2026-03-20", "weather": "sun", "at": "1970-01-02T00:00:00Z"},
            {"warmth": None, "day": "2026-03-21", "weather": None, "at": "1970-01-02"},
        ],
        {},
    )


def test_the_models_own_names_hold_as_well(rides: Dataset) -> None:
    rows, problems = read(rides, b"warmth,day\n3,2026-03-20\n")
    assert (rows, problems) == ([{"warmth": 3, "day": "2026-03-20"}], {})


def test_a_quote_that_does_not_close_costs_its_row(rides: Dataset) -> None:
    lines = [f"{n},a{n}" for n in range(5_000)]
    lines[2_500] = '2500,"a'
    rows, problems = read(rides, "\n".join(["warmth,weather", *lines]).encode())
    assert problems == {2_500: "is no CSV: a quote does not close"}
    assert [row["warmth"] for row in rows if row] == [n for n in range(5_000) if n != 2_500]


def test_a_long_line_costs_itself(rides: Dataset) -> None:
    long = f"1,{'x' * 3 * csv_stream._BLOCK}"
    rows, problems = read(rides, f"warmth,weather\n0,a\n{long}\n2,b\n".encode())
    assert problems == {1: f"has {len(long):,} bytes, and at most {MAX_LINE:,} are read"}
    assert [row and row["warmth"] for row in rows] == [0, None, 2]


@given(
    st.lists(
        st.sampled_from(["1,a", '2,"a\nb"', '3,"a', "4", "", '5,"a"b', ' ,"x""y"']), max_size=30
    )
)
def test_the_same_rows_are_read_however_a_file_arrives_in_blocks(
    lines: list[str],
) -> None:
    dataset = parse_text(RIDES, "rides.toml")
    content = "\n".join(["warmth,weather", *lines, ""]).encode()
    whole = read(dataset, content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_stream, "_BLOCK", 7)
        assert read(dataset, content) == whole
