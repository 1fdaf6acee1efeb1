"""Many rows at once, column by column: the rules of `core.contract`, at a fifth of their price.

A column whose values are all of the right kind is read whole; one in which something is amiss is
read value by value, by `core.contract.read_value`, which also says what it is. So both give the
same inputs and the same words, and only rows with mistakes pay for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.contract import Contract, Field, read_value, unknown_fields
from core.dataset import ColumnType

Columns = dict[str, NDArray[Any]]
"""A column by its name: float64 with NaN for null, or objects with "" for null; one length."""

Problems = dict[int, dict[str, str]]
"""What is wrong with a row, by its place: each field with the rule it broke ("" is the row)."""

_NUMBERS = {float, int, type(None)}
_TEXTS = {str, float, int, type(None)}
_NO_ROW = "must be an object of fields"


def read_columns(
    contract: Contract, rows: Sequence[Any], *, typed: bool = False
) -> tuple[Columns, Problems]:
    """The model inputs of rows, and what is wrong with which of them.

    A row with a problem has inputs of its length in every column, and they mean nothing.
    `typed` is that of `core.contract.read_row`.
    """
    problems: Problems = {}
    known = {field.name for field in contract.fields}
    given: Sequence[Mapping[str, Any]] = rows
    if any(type(row) is not dict for row in rows):
        problems = {n: {"": _NO_ROW} for n, row in enumerate(rows) if type(row) is not dict}
        given = [{} if n in problems else row for n, row in enumerate(rows)]
    columns: Columns = {}
    for field in contract.fields:
        values = [row.get(field.name) for row in given]
        column = _whole(field, values, typed=typed)
        if column is None:
            column = _one_by_one(field, values, problems, typed=typed)
        columns[field.name] = column
    for n, row in enumerate(given):
        if not row.keys() <= known:
            problems[n] = problems.get(n, {}) | unknown_fields(contract, row)
    return columns, problems


def _whole(field: Field, values: list[Any], *, typed: bool) -> NDArray[Any] | None:
    """The column, where nothing in it is amiss; None where something is or may be."""
    kinds = set(map(type, values))
    if field.type is ColumnType.NUMBER:
        return _numbers(field, values) if kinds <= _NUMBERS else None
    if not kinds <= _TEXTS:
        return None
    read = _reader(field, typed=typed)
    try:
        known = {value: read(value) for value in set(values)}
    except ValueError:
        return None
    dtype = np.float64 if field.type is ColumnType.DATE else object
    return np.array([known[value] for value in values], dtype=dtype)


def _reader(field: Field, *, typed: bool) -> Callable[[Any], float | str]:
    return lambda value: read_value(field, value, typed=typed)


def _numbers(field: Field, values: list[Any]) -> NDArray[np.float64] | None:
    try:
        numbers = np.array(values, dtype=np.float64)
    except OverflowError:
        return None
    missing = np.isnan(numbers)
    nulls = values.count(None)
    if missing.sum() != nulls or (nulls and not field.nullable) or np.isinf(numbers).any():
        return None
    if field.minimum is not None and (numbers < field.minimum).any():
        return None
    return numbers


def _one_by_one(
    field: Field, values: list[Any], problems: Problems, *, typed: bool
) -> NDArray[Any]:
    is_text = field.type in (ColumnType.CATEGORY, ColumnType.CODE)
    column = np.full(len(values), "" if is_text else np.nan, dtype=object if is_text else None)
    for n, value in enumerate(values):
        try:
            column[n] = read_value(field, value, typed=typed)
        except ValueError as error:
            if "" not in problems.get(n, {}):
                problems.setdefault(n, {})[field.name] = str(error)
    return column
