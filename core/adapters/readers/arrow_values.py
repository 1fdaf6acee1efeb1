"""Arrow columns as checked values, without a Python object for each cell where types allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, time
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from core.domain.batches import Unreadable
from core.domain.dataset import Column, ColumnType
from core.rules.data.text_column import TextColumn
from core.rules.data.typed_values import EXACT, LONGEST_TEXT

Cell = float | str | None
"""A checked value: a number, days since 1970-01-01, or text; None for null."""

ReadCell = Callable[[Column, Any], Cell]
"""Checks one value.

Raises:
    ValueError: it breaks a rule of the column.
"""

_DECIMAL = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
"""What `typed_values.read_number` takes, without blanks."""

_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
"""The days of the years 1 to 9999 since 1970-01-01."""

_FIRST_SECOND, _LAST_SECOND = -30_610_224_000, 253_402_300_800
"""The years 1000 to 9999, which timestamps are in."""


Values = NDArray[np.float64] | TextColumn
"""Checked values: NaN or None for null."""


def checked(column: Column, values: pa.Array, read: ReadCell) -> Values | None:
    """A column's values, numbers as float64; None if one may be invalid.

    `read` is called once for each distinct value that is not a number of a column of numbers.
    """
    kind = values.type
    is_plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    try:
        null = read(column, None) if values.null_count else None
        if column.type is ColumnType.NUMBER and is_plain:
            return _numbers(values, null)
        if column.type is ColumnType.DATE and pa.types.is_temporal(kind):
            return _days(values, null)
        if column.type is ColumnType.TIMESTAMP and pa.types.is_timestamp(kind) and kind.tz:
            return _seconds(values, null)
        return _distinct(column, values, read, null)
    except (ValueError, pa.ArrowException, OverflowError):
        return None


def numbers_in_text(column: Column, values: Sequence[str], read: ReadCell) -> NDArray[Any] | None:
    """A column of numbers that are written as text; None if one may be invalid."""
    try:
        texts = pa.array(values, pa.string())
        is_empty = pc.equal(texts, "")
        null = read(column, None) if pc.any(is_empty).as_py() else None
        is_number = pc.match_substring_regex(texts, _DECIMAL)
        longest = pc.max(pc.binary_length(texts)).as_py() or 0
        if longest > LONGEST_TEXT or not pc.all(pc.or_(is_number, is_empty)).as_py():
            return None
        return _numbers(pc.if_else(is_empty, None, texts), null)
    except (ValueError, pa.ArrowException):
        return None


def _numbers(values: pa.Array, null: Cell) -> NDArray[Any] | None:
    floats = values.cast(pa.float64(), safe=False)
    numbers: NDArray[Any] = floats.to_numpy(zero_copy_only=False).astype(np.float64)
    if np.isinf(numbers).any() or np.isnan(numbers).sum() != values.null_count:
        return None
    return numbers if null is None else np.where(np.isnan(numbers), null, numbers)


def _days(values: pa.Array, null: Cell) -> NDArray[Any] | None:
    if pa.types.is_timestamp(values.type):
        if values.type.tz:
            values = pc.local_timestamp(values)
        values = pc.floor_temporal(values, unit="day")
    elif not pa.types.is_date(values.type):
        return None
    dates = values.cast(pa.date32(), safe=False).cast(pa.int32())
    days: NDArray[Any] = dates.to_numpy(zero_copy_only=False).astype(np.float64)
    if (days < _FIRST_DAY).any() or (days > _LAST_DAY).any():
        return None
    return days if null is None else np.where(np.isnan(days), null, days)


def _seconds(values: pa.Array, null: Cell) -> NDArray[Any] | None:
    micros = values.cast(pa.timestamp("us", values.type.tz), safe=False).cast(pa.int64())
    seconds: NDArray[Any] = micros.to_numpy(zero_copy_only=False).astype(np.float64) / 1e6
    if (seconds < _FIRST_SECOND).any() or (seconds >= _LAST_SECOND).any():
        return None
    return seconds if null is None else np.where(np.isnan(seconds), null, seconds)


def codes(column: Column, numbers: NDArray[np.float64], null: Cell) -> TextColumn | None:
    """Numbers used as codes, with NaN for null; None if one is not a whole number from 0."""
    present = ~np.isnan(numbers)
    known = numbers[present]
    if (known < 0).any() or (known >= EXACT).any() or (known % 1 != 0).any():
        return None
    found = pa.array(known.astype(np.int64)).dictionary_encode()
    texts = pc.utf8_lpad(found.dictionary.cast(pa.string()), column.width, "0").to_pylist()
    places = np.full(len(numbers), len(texts), dtype=np.intp)
    places[present] = found.indices.to_numpy()
    return text_column([*texts, null], places)


def text_column(texts: list[Any], places: NDArray[np.intp]) -> TextColumn:
    """Texts that may stand there more than once, as a column in which each stands once."""
    if len(set(texts)) == len(texts):
        return TextColumn(texts, places)
    once = pa.array(texts, pa.string()).dictionary_encode("encode")
    return TextColumn(once.dictionary.to_pylist(), once.indices.to_numpy()[places])


def _distinct(column: Column, values: pa.Array, read: ReadCell, null: Cell) -> Values | None:
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    places = pc.fill_null(values.indices, -1).to_numpy(zero_copy_only=False)
    dictionary = values.dictionary
    if len(dictionary) > len(places):  # most are of other rows
        used, places = np.unique(places, return_inverse=True)
        if used[0] < 0:
            used, places = used[1:], places - 1
        dictionary = dictionary.take(pa.array(used))
    cells = [read(column, value) for value in as_json(dictionary)] + [null]
    if column.is_text:
        places = np.where(places < 0, len(cells) - 1, places)
        return text_column(cells, places)
    taken: NDArray[np.float64] = np.array(cells, dtype=np.float64)[places]
    return taken


def as_json(values: pa.Array) -> Sequence[Any]:
    """The values as a JSON reader would give them; one that is no text is `Unreadable`."""
    if pa.types.is_dictionary(values.type):
        distinct = [*as_json(values.dictionary), None]
        return [distinct[n] for n in pc.fill_null(values.indices, -1).to_pylist()]
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us", values.type.tz), safe=False)
    with suppress(ValueError, OverflowError):
        return _plain(values.type, values.to_pylist())
    return _plain(values.type, [_single(value) for value in values])


def _single(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return Unreadable("is not UTF-8")
    except (ValueError, OverflowError):
        return Unreadable("is outside the years 1 to 9999")


def _plain(kind: pa.DataType, values: list[Any]) -> list[Any]:
    ready = pa.types.is_primitive(kind) and not pa.types.is_temporal(kind)
    if ready or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return values
    return [_json_value(value) for value in values]


def _json_value(value: Any) -> Any:
    match value:
        case date() | time():
            return value.isoformat()
        case Decimal() if value.is_finite():
            return int(value) if value == value.to_integral_value() else float(value)
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return Unreadable("is not UTF-8")
    return value
