"""What a model takes: every break of a rule is named, and nothing that is not finite passes."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.contract import Contract, read_code, read_date, read_row
from core.dataset import Dataset
from core.errors import BadRow, ModelRefused
from tests.build import contract, small_dataset


def test_a_contract_survives_the_model_file(dataset: Dataset) -> None:
    made = contract(dataset)
    assert Contract.from_json(made.to_json()) == made


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"fields": [{}]}', "null"])
def test_a_file_without_a_contract_is_refused(text: str) -> None:
    with pytest.raises(ModelRefused, match="contract"):
        Contract.from_json(text)


def test_the_target_is_not_asked_for(dataset: Dataset) -> None:
    assert dataset.target.name not in {f.name for f in contract(dataset).fields}
    with pytest.raises(BadRow, match="takes no such field"):
        read_row(contract(dataset), {dataset.target.name: 1})


@pytest.mark.parametrize(
    ("value", "rule"),
    [("warm", "number"), (True, "number"), ([1], "number"), (math.nan, "finite"), ("inf", "finite"),
     (10**400, "number")],
)  # fmt: skip
def test_a_bad_number_is_named_with_its_rule(value: Any, rule: str) -> None:
    with pytest.raises(BadRow, match=f"temperature: must be .*{rule}"):
        read_row(contract(small_dataset()), {"temperature": value})


@pytest.mark.parametrize("value", [7, "x" * 201, "a\x00b", "\ud800"])
def test_a_bad_text_is_named(value: Any) -> None:
    with pytest.raises(BadRow, match="weather: must"):
        read_row(contract(small_dataset()), {"weather": value})


def test_null_empty_and_absent_are_one() -> None:
    taken = contract(small_dataset())
    for row in ({}, {"temperature": None, "weather": None}, {"temperature": "", "weather": ""}):
        read = read_row(taken, row)
        assert math.isnan(float(read["temperature"]))
        assert read["weather"] == ""


@pytest.mark.parametrize("value", [6016, 6016.0, "06016", "6016", " 6016 ", "6016.0"])
def test_a_code_is_one_code_however_it_is_written(value: Any) -> None:
    assert read_code(value, 5) == "06016"


@given(st.integers(0, 10**9), st.integers(0, 8))
def test_reading_a_code_again_changes_nothing(code: int, width: int) -> None:
    once = read_code(code, width)
    assert read_code(once, width) == once


def test_dates_are_days() -> None:
    assert read_date("1970-01-02") == 1.0
    with pytest.raises(ValueError, match="YYYY-MM-DD"):
        read_date("02/01/1970")
