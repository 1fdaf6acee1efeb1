"""One cell of a batch: as its column takes it, and as a request gives it."""

from __future__ import annotations

from typing import Protocol

from core.domain.dataset import Column, ColumnType
from core.rules.data.typed_values import (
    as_given,
    read_as,
    read_date,
    read_epoch,
    read_timestamp,
)


class Written(Protocol):
    """The format of a column's values: a `Column`, or a field of a model's contract."""

    @property
    def type(self) -> ColumnType:
        """The type of the values."""

    @property
    def width(self) -> int:
        """The width of codes."""

    @property
    def zone(self) -> str:
        """The IANA zone of times without a zone of their own."""

    @property
    def parse(self) -> str:
        """The strptime format of dates and times, or "" for ISO 8601."""

    @property
    def epoch(self) -> str:
        """The unit of times that are numbers, or ""."""


def read_cell(column: Column, value: object) -> float | str | None:
    """The value, or None for null. Text of blanks is empty, and an empty value is the default.

    Numbers are float, dates days and timestamps seconds since 1970-01-01, everything else is text.

    Raises:
        ValueError: it breaks a rule of the column; the message is that rule.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        if column.default is None and not column.nullable:
            raise ValueError("must be given")
        return column.default
    return _read_written(column, value)


def as_requested(column: Written, text: str) -> str:
    """The text of a cell as a request gives it: a date or time in ISO 8601, other text unchanged.

    A date or time may be written as in the batches or in ISO 8601; only the former where ISO could
    be misread, which is a format that begins with year and day.

    Raises:
        ValueError: it is written in neither way; the message is the rule of batches.
    """
    if not text or not (column.parse or column.epoch):
        return text
    try:
        value = _read_written(column, text)
    except ValueError as broken:
        if column.parse.startswith("%Y-") and not column.parse.startswith("%Y-%m-%d"):
            raise
        try:
            value = read_as(column.type, text, column.width, column.zone)
        except ValueError:
            raise broken from None
    return str(as_given(column.type, value)) if isinstance(value, float) else text


def _read_written(column: Written, value: object) -> float | str:
    if column.epoch:
        return read_epoch(value, column.epoch)
    if column.parse:
        if column.type is ColumnType.DATE:
            return read_date(value, column.parse)
        return read_timestamp(value, column.zone, column.parse)
    return read_as(column.type, value, column.width, column.zone)
