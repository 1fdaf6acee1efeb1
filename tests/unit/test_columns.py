"""Many rows column by column give what they give one by one: the same inputs, the same words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.dataset import ColumnType
from core.domain.errors import BadRow
from core.rules.model.contract import Contract, Field, read_row
from core.rules.model.contract_batch import read_columns


def field(name: str, kind: ColumnType, **more: Any) -> Field:
    filled: dict[str, Any] = {
        "label": name, "unit": "", "nullable": True, "width": 0, "minimum": None, "step": None,
        "low": None, "high": None, "default": None, "categories": (),
    }  # fmt: skip
    return Field(name=name, type=kind, **filled | more)


CONTRACT = Contract(
    "things", "Things", "price", "Price", "USD",
    (
        field("size", ColumnType.NUMBER, minimum=0.0),
        field("must", ColumnType.NUMBER, nullable=False),
        field("kind", ColumnType.CATEGORY),
        field("code", ColumnType.CODE, width=5),
        field("day", ColumnType.DATE),
        field("new", ColumnType.BOOLEAN),
        field("paid", ColumnType.BOOLEAN, nullable=False),
        field("rooms", ColumnType.NUMBER, fill=3.0),
        field("state", ColumnType.CATEGORY, fill="unknown"),
        field("start", ColumnType.TIMESTAMP),
        field("end", ColumnType.TIMESTAMP, zone="Europe/Madrid"),
        field("since", ColumnType.DATE, fill=365.0),
    ),
)  # fmt: skip

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**6),
    st.just(10**400),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(["", " a ", "06016", "6016.0", "2026-02-30", "2026-02-03", "1e5", "nan",
                     "TRUE", "no", "1.0", "2026-02-03T04:05Z", "2026-02-03 04:05:06.7"]),
    st.just("x" * 201),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=1),
)  # fmt: skip
ROWS = st.one_of(
    st.dictionaries(
        st.sampled_from([f.name for f in CONTRACT.fields] + ["other", "x" * 70]), VALUES
    ),
    st.fixed_dictionaries(
        {
            "size": st.floats(0, 1e6),
            "must": st.integers(0, 9),
            "kind": st.sampled_from("abc"),
            "paid": st.sampled_from([True, 1, 0.0, "yes", "F"]),
        }
    ),
    st.sampled_from([None, 3, "row", []]),
)


def one_by_one(rows: list[Any], *, typed: bool) -> tuple[list[Any], dict[int, dict[str, str]]]:
    inputs: list[Any] = []
    problems = {}
    for n, row in enumerate(rows):
        if not isinstance(row, dict):
            problems[n] = {"": "must be an object of fields"}
            inputs.append(None)
            continue
        try:
            inputs.append(read_row(CONTRACT, row, typed=typed))
        except BadRow as error:
            problems[n] = error.problems
            inputs.append(None)
    return inputs, problems


@given(st.lists(ROWS, max_size=8), st.booleans())
def test_columns_are_read_as_rows_are(rows: list[Any], typed: bool) -> None:  # noqa: FBT001
    inputs, expected = one_by_one(rows, typed=typed)
    columns, problems = read_columns(CONTRACT, rows, typed=typed)
    assert problems == expected
    assert {len(values) for values in columns.values()} <= {len(rows)}
    for n, row in enumerate(inputs):
        for name, value in (row or {}).items():
            got = columns[name][n]
            both_nan = isinstance(value, float) and math.isnan(value) and math.isnan(got)
            assert both_nan or got == value, (name, value, got)


def test_a_column_of_text_cells_is_read_as_numbers_only_where_text_is_all_there_is() -> None:
    rows = [
        {"size": "1e3", "must": "2", "paid": "t"},
        {"size": "", "must": " 3 ", "paid": "t"},
    ]
    columns, problems = read_columns(CONTRACT, rows)
    assert problems == {}
    assert columns["size"][0] == 1000
    assert np.isnan(columns["size"][1])
    _, problems = read_columns(CONTRACT, rows, typed=True)
    assert problems[0]["size"] == "must be a number, not text"


@pytest.mark.parametrize("missing", [{"must": None}, {}])
def test_what_must_be_given_is_named(missing: dict[str, Any]) -> None:
    paid = {"paid": True}
    _, problems = read_columns(CONTRACT, [{"must": 1} | paid, missing | paid], typed=True)
    assert problems == {1: {"must": "must be given"}}
