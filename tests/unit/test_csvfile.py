"""A CSV file of rows to predict: every fault is named with what to do, and spoils no other row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console import csvfile
from console.csvfile import read_sheet
from console.inert import inert, inert_csv
from console.predicting import template_rows
from core.contract import Contract
from core.dataset import Dataset
from core.errors import BadInput
from tests.build import contract, small_dataset

RIDES = contract(small_dataset())


def refused(content: bytes, taken: Contract = RIDES) -> str:
    with pytest.raises(BadInput) as caught:
        read_sheet(content, taken)
    assert str(caught.value).endswith(".")
    return str(caught.value)


def test_rows_that_fit_are_read_as_serving_takes_them() -> None:
    text = '\ufefftemperature , weather\r\n 21 ,sun\r\n\r\n1.5," a, ""b"" "\r\n,\r\n,rain\r\n'
    sheet = read_sheet(text.encode(), RIDES)
    assert [(a.line, a.row) for a in sheet.accepted] == [
        (2, {"temperature": 21, "weather": "sun"}),
        (4, {"temperature": 1.5, "weather": 'a, "b"'}),
        (6, {"weather": "rain"}),
    ]
    assert (sheet.rejected, sheet.absent) == ([], ())


def test_a_bad_row_is_set_aside_with_every_rule_that_it_breaks() -> None:
    text = f"temperature,weather\nwarm,{'x' * 201}\n1\n1,a,b\n2,sun\n"
    sheet = read_sheet(text.encode(), RIDES)
    assert [a.line for a in sheet.accepted] == [5]
    first, short, long = sheet.rejected
    assert first.problems == {
        "temperature": "must be a number",
        "weather": "must be at most 200 characters",
    }
    assert first.cells["temperature"] == "warm"
    assert "has 1 cells where the header has 2" in short.why
    assert "has 3 cells where the header has 2" in long.why


def test_columns_that_may_be_empty_may_be_absent_and_are_named() -> None:
    assert read_sheet(b"weather\nsun\n", RIDES).absent == ("temperature",)


def test_columns_that_must_be_given_must_be_there() -> None:
    strict = replace(RIDES, fields=tuple(replace(f, nullable=False) for f in RIDES.fields))
    assert "Column temperature is missing" in refused(b"weather\nsun\n", strict)
    sheet = read_sheet(b"weather,temperature\nsun,\n", strict)
    assert sheet.rejected[0].problems == {"temperature": "must be given"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"temperature,weather\n", "no rows"),
        (b"temperature,weather\n\n , \n", "no rows"),
        (b"temperature;weather\n1;sun\n", "semicolons"),
        (b"temperature\tweather\n1\tsun\n", "tabs"),
        (b"temperature,wind,rain\n1,2,3\n", "no column wind, rain"),
        (b"temperature,,\n1,2,3\n", "without a name"),
        (b"temperature,rides\n1,2\n", "no column rides"),
        (b"weather,weather\nsun,rain\n", "weather stands there twice"),
        (b"weather\nM\xfcnchen\n", "not UTF-8: line 2"),
        ("weather\nsun\n".encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04rest", "Excel"),
        (b"weather\nsu\x00n\n", "NUL"),
        (b'weather\n"sun\n', "Line 2 is no CSV"),
        (b'weather\n"sun"x\n', "Line 2 is no CSV"),
        (b"1,2\n3,4\n", "no column 1, 2"),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused_with_what_to_do(
    content: bytes, says: str
) -> None:
    assert says in refused(content)


def test_size_and_rows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "10.0 MB" in refused(b"x" * 10_000_001)
    monkeypatch.setattr(csvfile, "MOST_ROWS", 2)
    assert len(read_sheet(b"weather\na\nb\n", RIDES).accepted) == 2
    assert "more than 2 rows" in refused(b"weather\na\nb\nc\n")


def test_the_file_to_start_from_is_one_that_fits(dataset: Dataset) -> None:
    made = contract(dataset)
    sheet = read_sheet(inert_csv(template_rows(made)).encode("utf-8-sig"), made)
    assert (len(sheet.accepted), sheet.rejected, sheet.absent) == (1, [], ())


@given(st.binary(max_size=300))
def test_no_bytes_lead_to_anything_but_a_sheet_or_a_sentence(content: bytes) -> None:
    try:
        read_sheet(content, RIDES)
    except BadInput as error:
        assert str(error)  # noqa: PT017 - either outcome is right


@given(st.lists(st.fixed_dictionaries({
    "temperature": st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    "weather": st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=50),
}), min_size=1, max_size=10))  # fmt: skip
def test_what_was_written_is_read_back_or_named(rows: list[dict[str, Any]]) -> None:
    sheet = read_sheet(inert_csv(rows).encode(), RIDES) if any(
        r["temperature"] is not None or inert(r["weather"]).strip() for r in rows
    ) else None  # fmt: skip
    if sheet is None:
        return
    assert sheet.rejected == []
    kept = [r for r in rows if r["temperature"] is not None or inert(r["weather"]).strip()]
    assert [a.row.get("temperature") for a in sheet.accepted] == [r["temperature"] for r in kept]
