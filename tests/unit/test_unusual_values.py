"""Warnings about values that training did not have: one rule, whichever way a row comes in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.dataset import ColumnType, Dataset
from core.rules.model import known_texts
from core.rules.model.contract import Contract, read_row
from core.rules.model.contract_batch import read_columns
from core.rules.model.unusual_values import unusual, unusual_columns, unusual_given
from tests.build import contract, small_dataset

TEMPERATURES = st.one_of(st.none(), st.integers(-5, 9), st.floats(-1e9, 1e9))
WEATHERS = st.sampled_from([None, "", "a", "b", "fog", "rain"])


def bounded() -> Contract:
    made = contract(small_dataset())
    temperature, weather = made.fields
    return replace(made, fields=(replace(temperature, low=1.0, high=3.0), weather))


@given(st.lists(st.fixed_dictionaries({"temperature": TEMPERATURES, "weather": WEATHERS})))
def test_a_row_has_the_same_warnings_alone_and_among_others(rows: list[dict[str, Any]]) -> None:
    made = bounded()
    columns, problems = read_columns(made, rows, typed=True)
    assert problems == {}
    alone = [unusual(made, read_row(made, row, typed=True)) for row in rows]
    assert unusual_columns(made, columns, len(rows)) == alone
    assert [unusual_given(made, row) for row in rows] == alone


def test_what_training_hardly_saw_is_said(dataset: Dataset) -> None:
    made = contract(dataset)
    assert unusual_given(made, {"bed": 2, "city": "a", "state": None}) == []
    first, second = unusual_given(made, {"bed": 99, "city": "elsewhere"})
    assert "Bedrooms 99 is outside the usual range of the training data. Usually 1" in first
    assert "elsewhere” does not occur" in second
    many = replace(made.fields[0], categories=tuple(f"c{n}" for n in range(200)))
    cut = replace(made, fields=(many,))
    assert unusual_given(cut, {many.name: "x"}) == [], "a list that was cut cannot tell"
    packed = known_texts.pack([f"c{n}" for n in range(5_000)])
    whole = replace(made, fields=(replace(many, known=packed),))
    assert unusual_given(whole, {many.name: "c4999"}) == [], "not offered, but known"
    assert len(unusual_given(whole, {many.name: "x"})) == 1
    assert Contract.from_json(whole.to_json()) == whole


@pytest.mark.parametrize(
    ("kind", "given_", "shown"),
    [
        (ColumnType.DATE, "2030-01-01", "2030-01-01"),
        (ColumnType.TIMESTAMP, "2030-01-01T00:00:00Z", "2030-01-01T00:00:00Z"),
        (ColumnType.NUMBER, "1e9", "1,000,000,000 km"),
    ],
)
def test_it_is_named_as_a_request_gives_it(kind: ColumnType, given_: str, shown: str) -> None:
    field = replace(bounded().fields[0], type=kind, unit="km" if kind == "number" else "")
    (warning,) = unusual_given(replace(bounded(), fields=(field,)), {field.name: given_})
    assert f"{shown} is outside" in warning


def test_a_fill_that_training_did_not_have_is_said_and_a_broken_value_is_not() -> None:
    temperature, weather = bounded().fields
    made = replace(bounded(), fields=(replace(temperature, fill=-40.0), weather))
    (warning,) = unusual_given(made, {"weather": "a"})
    assert "-40 is outside" in warning
    assert unusual_given(made, {"temperature": "many", "weather": "a"}) == []
    assert unusual_columns(made, {"temperature": np.empty(0), "weather": np.empty(0)}, 0) == []
