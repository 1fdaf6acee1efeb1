"""Checked values of a column as arrays: of NumPy while they are checked, of Arrow to be stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.adapters.readers.arrow_values import Cell, ReadCell, Values, checked, codes
from core.domain.dataset import Column, ColumnType
from core.rules.data.text_column import TextColumn


def plain_numbers(column: Column, values: Sequence[Any], kinds: set[type]) -> Values | None:
    """Vectorised parse of a column of numbers; None if some value needs the slow path."""
    numeric = column.type in (ColumnType.NUMBER, ColumnType.CODE)
    with_nulls = type(None) in kinds
    without = with_nulls and not column.nullable and column.default is None
    if not numeric or not kinds <= {float, int, type(None)} or without:
        return None
    try:
        numbers = np.array(values, dtype=np.float64)  # null becomes NaN
    except OverflowError:  # an integer beyond float64
        return None
    nulls = values.count(None) if with_nulls else 0
    if np.isinf(numbers).any() or np.isnan(numbers).sum() != nulls:
        return None
    if column.type is ColumnType.CODE:
        return codes(column, numbers, column.default)
    if nulls and column.default is not None:
        numbers[np.isnan(numbers)] = column.default
    return numbers


def plain_texts(
    column: Column, values: Sequence[Any], kinds: set[type], read: ReadCell
) -> Values | None:
    """A column of texts, each distinct one parsed once; None if one may be invalid."""
    if column.type is ColumnType.NUMBER or not kinds <= {str, type(None)}:
        return None
    try:
        return checked(column, pa.array(values, pa.string()), read)
    except (ValueError, pa.ArrowException):  # not valid Unicode
        return None


def checked_array(column: Column, values: list[Cell]) -> Values:
    """Checked values as float64, or as texts where the column is learned as text."""
    if not column.is_text:
        return np.array(values, dtype=np.float64)
    texts = pa.array(values, pa.string()).dictionary_encode("encode")
    return TextColumn(texts.dictionary.to_pylist(), texts.indices.to_numpy())


def to_arrow(column: Column, values: Values) -> pa.Array:
    """Checked values in the type in which `arrow_schema` stores the column."""
    if isinstance(values, TextColumn):
        texts = pa.array(values.distinct, pa.string()).take(pa.array(values.places))
        return pc.equal(texts, "true") if column.type is ColumnType.BOOLEAN else texts
    if column.type is ColumnType.DATE:
        null = np.isnan(values)
        days = np.where(null, 0, values).astype(np.int32)
        return pa.array(days, type=pa.int32(), mask=null).cast(pa.date32())
    if column.type is ColumnType.TIMESTAMP:
        null = np.isnan(values)
        micros = np.round(np.where(null, 0, values) * 1e6).astype(np.int64)
        return pa.array(micros, mask=null).cast(pa.timestamp("us", tz="UTC"))
    return pa.array(values, type=pa.float64(), from_pandas=True)
