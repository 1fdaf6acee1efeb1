"""What a model takes: every break of a rule is named, and nothing that is not finite passes."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.dataset import ColumnType, Dataset
from core.domain.errors import BadRow, ModelRefused
from core.rules.data.typed_values import read_code, read_date, typical
from core.rules.model.contract import Contract, read_row
from tests.build import contract, small_dataset


def test_a_contract_survives_the_model_file(dataset: Dataset) -> None:
    made = contract(dataset)
    assert Contract.from_json(made.to_json()) == made


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"fields": [{}]}', "null", "[" * 100_000])
def test_a_file_without_a_contract_is_refused(text: str) -> None:
    with pytest.raises(ModelRefused, match="contract"):
        Contract.from_json(text)


def test_the_target_is_not_asked_for(dataset: Dataset) -> None:
    assert dataset.target.name not in {f.name for f in contract(dataset).fields}
    with pytest.raises(BadRow, match="takes no such field"):
        read_row(contract(dataset), {dataset.target.name: 1})


@pytest.mark.parametrize(
    ("quantile", "shown"),
    [(112.30000000000001, 112.3), (0.05068011873981862, 0.0506801), (1234567.5, 1234568.0),
     (-2.0000000000000004, -2.0), (0.0, 0.0), (5e-324, 5e-324), (1.7e308, 1.7e308)],
)  # fmt: skip
def test_a_typical_number_has_no_digits_that_only_its_computation_made(
    quantile: float, shown: float
) -> None:
    assert typical(ColumnType.NUMBER, quantile) == shown


@pytest.mark.parametrize(
    ("value", "rule"),
    [("warm", "number"), (True, "number"), ([1], "number"), (math.nan, "finite"), ("inf", "finite"),
     (10**400, "number")],
)  # fmt: skip
def test_a_bad_number_is_named_with_its_rule(value: Any, rule: str) -> None:
    with pytest.raises(BadRow, match=f"temperature: must be .*{rule}"):
        read_row(contract(small_dataset()), {"temperature": value})


@pytest.mark.parametrize("value", [7.5, 2**53, ["a"], "x" * 201, "a\x00b", "\ud800"])
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
