"""A CSV file of rows to predict: every fault is named with what to do, and spoils no other row."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.text import csv_input
from console.text.csv_input import UnknownColumns, read_sheet
from console.text.csv_output import inert, inert_csv
from console.text.prediction_tables import template_rows
from core.domain.dataset import Dataset
from core.domain.errors import BadInput
from core.rules.model.contract import Contract
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
    assert (sheet.rejected, sheet.absent, sheet.extra) == ([], (), ())
    assert (sheet.empty, sheet.empty_lines) == (2, (3, 5))
    assert sheet.notes() == [
        "Read as CSV in utf-8-sig, separated by commas, with a decimal point.",
        "2 empty rows left out: line 3, 5.",
    ]


def test_a_column_that_the_model_does_not_take_is_left_aside_and_named() -> None:
    content = b"rides,temperature,,note\n1,21,x,hello\n2,cold,,\n"
    sheet = read_sheet(content, RIDES, ignore_extra=True)
    assert [a.row for a in sheet.accepted] == [{"temperature": 21}]
    assert sheet.extra == ("rides", "column 3 (without a name)", "note")
    assert [r.cells for r in sheet.rejected] == [{"temperature": "cold"}]
    assert sheet.notes()[1:] == [
        "Not in the file, so empty in every row: weather.",
        "Ignored, because the model does not take them: rides, column 3 (without a name), note.",
    ]


def test_a_file_may_name_columns_as_the_batches_do() -> None:
    names = {"temperature": "Temp (C)", "rides": "Day"}
    rides = contract(replace(small_dataset(), columns=tuple(
        replace(c, source=names.get(c.name, "")) for c in small_dataset().columns
    )))  # fmt: skip
    sheet = read_sheet(b"weather, Temp (C) ,Day\nsun,21,x\n", rides)
    assert [a.row for a in sheet.accepted] == [{"weather": "sun", "temperature": 21}]
    assert sheet.extra == ("Day",)  # no column of the model
    both = read_sheet(b"temperature,Temp (C),weather\n21,x,sun\n", rides)
    assert [a.row for a in both.accepted] == [{"weather": "sun", "temperature": 21}]
    assert both.extra == ("Temp (C)",)


def test_a_column_that_may_be_misspelt_refuses_the_file_and_names_the_nearest() -> None:
    with pytest.raises(UnknownColumns) as refused:
        read_sheet(b"Wether,temperature\nsun,21\n", RIDES)
    assert str(refused.value) == (
        "The model takes no column Wether, and the file has no weather. Is Wether meant as "
        "weather? Correct the header."
    )
    whole = read_sheet(b"weather,temperature,note\nsun,21,x\n", RIDES)
    assert whole.extra == ("note",)  # nothing is missing, so nothing can be misspelt


def test_many_empty_rows_are_counted_and_the_first_are_named() -> None:
    sheet = read_sheet(b"weather\n" + b"\n" * 30 + b"sun\n\n\n", RIDES)
    assert (len(sheet.accepted), sheet.empty) == (1, 30)  # not those at the end of the file
    assert sheet.notes()[-1] == "30 empty rows left out: line 2, 3, 4, 5, 6, 7, 8, 9 and 22 more."


def test_forty_thousand_columns_are_read_in_linear_time() -> None:
    def calls(columns: int) -> int:
        head = ",".join(f"c{n}" for n in range(columns))
        body = f"weather,{head}\nsun{',' * columns}\n".encode()
        counted = 0

        def count(_frame: Any, event: str, _arg: Any) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            sheet = read_sheet(body, RIDES, ignore_extra=True)
        finally:
            sys.setprofile(None)
        assert len(sheet.extra) == columns
        return counted

    assert calls(40_000) < 5 * calls(10_000)


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
        (b"heat,wind,rain\n1,2,3\n", "no column heat, wind, rain"),
        (b",,\n1,2,3\n", "takes no column 1, 2, 3"),
        (b"weather,weather\nsun,rain\n", "weather occurs twice"),
        (b"PK\x03\x04rest", "Excel"),
        (b'"weather\nsun\n', "no header: the row is no CSV: a quote does not close"),
        (b"1,2\n3,4\n", "no column 1, 2"),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused_with_what_to_do(
    content: bytes, says: str
) -> None:
    assert says in refused(content)


@pytest.mark.parametrize(
    ("content", "town", "how"),
    [
        ("temperature;weather\n1,5;Zürich\n", "utf-8", "in utf-8, separated by semicolons"),
        ("temperature\tweather\r\n1,5\tZürich\r\n", "cp1252", "in cp1252, separated by tabs"),
        ("weather|temperature\nZürich|1,5\n", "utf-16", "in utf-16, separated by bars"),
    ],
)
def test_a_file_is_read_as_a_batch_is_and_says_how(content: str, town: str, how: str) -> None:
    sheet = read_sheet(content.encode(town), RIDES)
    assert [a.row for a in sheet.accepted] == [{"temperature": 1.5, "weather": "Zürich"}]
    assert sheet.notes() == [f"Read as CSV {how}, with a decimal comma."]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'"sun,1', "row: is no CSV: a quote does not close"),
        (b'"sun"x,1', "row: is no CSV: "),
        (b"su\x00n,1", "weather: must not contain NUL"),
        (b"Z\xfcrich,1", "weather: must be valid Unicode"),
    ],
)
def test_a_damaged_line_costs_one_row(line: bytes, why: str) -> None:
    content = "weather,temperature\nräin,0\nräin,1\n".encode() + line + b"\nsun,2\n"
    sheet = read_sheet(content, RIDES)
    assert [(a.line, a.row["temperature"]) for a in sheet.accepted] == [(2, 0), (3, 1), (5, 2)]
    ((number, reason),) = [(r.line, r.why) for r in sheet.rejected]
    assert number == 4
    assert reason.startswith(why)


def test_times_may_be_written_as_in_batches_or_as_in_requests() -> None:
    dataset = small_dataset(columns=[
        {"name": "rides", "type": "number", "role": "target", "nullable": False},
        {"name": "day", "type": "date", "role": "feature", "source": "Tag", "parse": "%d/%m/%Y"},
        {"name": "odd", "type": "date", "role": "feature", "parse": "%Y-%d-%m"},
        {"name": "at", "type": "timestamp", "role": "feature", "epoch": "s"},
    ])  # fmt: skip
    content = (
        "Tag,odd,at\n03/02/2026,2026-03-02,86400\n"
        "2026-02-03,2026-13-02,1970-01-02T00:00:00Z\n3.2.26,2026-02-13,noon\n"
    )
    sheet = read_sheet(content.encode(), contract(dataset))
    at = "1970-01-02T00:00:00Z"
    assert [a.row for a in sheet.accepted] == [
        {"day": "2026-02-03", "odd": "2026-02-03", "at": at},
        {"day": "2026-02-03", "odd": "2026-02-13", "at": at},
    ]
    assert [r.problems for r in sheet.rejected] == [{
        "day": "must be a date as %d/%m/%Y", "odd": "must be a date as %Y-%d-%m",
        "at": "must be a number",
    }]  # fmt: skip


def test_size_and_rows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "10.0 MB" in refused(b"x" * 10_000_001)
    monkeypatch.setattr(csv_input, "MOST_ROWS", 2)
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
