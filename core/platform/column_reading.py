"""The keys of a column that say how batches write it, and what an empty value is."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import available_timezones

from core.domain.dataset import EPOCHS, TIME_FEATURES, Column, ColumnType, Role
from core.domain.safe_text import printable
from core.platform.toml_values import one_of, shown
from core.rules.data.typed_values import LONGEST_TEXT, read_as, read_date, read_timestamp

KEYS = ("source", "parse", "epoch", "zone", "features", "default")

_LONGEST_FORMAT = 80
_TIMES = (datetime(2026, 2, 3, 4, 5, tzinfo=UTC), datetime(1999, 11, 28, 15, 16, tzinfo=UTC))
"""Times by which a format is tried."""


def read(entry: dict[str, Any]) -> dict[str, Any]:
    """The keys but `default`, as arguments of `Column`.

    Raises:
        ValueError: a value is wrong; the message names the key and the remedy.
    """
    return {
        "source": _source(entry.get("source", "")),
        "parse": _format(entry.get("parse", "")),
        "epoch": one_of("epoch", entry["epoch"], EPOCHS) if "epoch" in entry else "",
        "zone": _zone(entry.get("zone", "")),
        "features": _features(entry.get("features", [])),
    }


def checked(column: Column, default: object) -> Column:
    """The column with its default, if there is one, after a check of the keys of times.

    Raises:
        ValueError: the keys do not fit the type or each other, or the default is no value of it.
    """
    _check_times(column)
    return column if default is None else replace(column, default=_default(column, default))


def _source(value: object) -> str:
    """The name of a column in the batches, which may be any line of text."""
    if not isinstance(value, str) or value != printable(value).strip() or len(value) > LONGEST_TEXT:
        raise ValueError(
            f"source is {shown(value)}; it must be the column's name in the batches, in quotes: "
            f"at most {LONGEST_TEXT} characters in one line, with no blanks around it"
        )
    return value


def _format(value: object) -> str:
    """A strptime format that reads back the day of every time that it writes."""
    if value == "":
        return ""
    if isinstance(value, str) and value == printable(value) and len(value) <= _LONGEST_FORMAT:
        with suppress(ValueError):
            if all(read_date(t.strftime(value), value) == read_date(t) for t in _TIMES):
                return value
    raise ValueError(
        f'parse is {shown(value)}; it must be a format of day, month and year, such as "%d/%m/%Y"'
    )


def _zone(value: object) -> str:
    if value == "" or (isinstance(value, str) and value in available_timezones()):
        return str(value)
    raise ValueError(
        f'zone is {shown(value)}; it must be a name of an IANA time zone, such as "Europe/Madrid"'
    )


def _features(value: object) -> tuple[str, ...]:
    if isinstance(value, list) and all(part in TIME_FEATURES for part in value):
        return tuple(part for part in TIME_FEATURES if part in value)
    raise ValueError(
        f"features is {shown(value)}, and must be a list of {', '.join(TIME_FEATURES)}"
    )


def _check_times(column: Column) -> None:
    is_time = column.type is ColumnType.TIMESTAMP
    if column.parse and not is_time and column.type is not ColumnType.DATE:
        raise ValueError("parse is for columns of type date or timestamp; take it out")
    for key in ("epoch", "zone", "features"):
        if getattr(column, key) and not is_time:
            raise ValueError(f"{key} is for columns of type timestamp; take it out")
    if column.features and column.role is not Role.FEATURE:
        raise ValueError("features is for columns of role feature; take it out")
    if column.epoch and (column.parse or column.zone):
        raise ValueError("epoch is for numbers, which have no parse and no zone; take one out")
    if is_time and column.parse and not column.zone:
        with suppress(ValueError):
            read_timestamp(_TIMES[0].strftime(column.parse), parse=column.parse)
            return
        raise ValueError(
            "parse has no %z, so zone must name the zone of these times, such as "
            '"UTC" or "Europe/Madrid"'
        )


def _default(column: Column, value: object) -> float | str:
    if column.role is Role.TARGET:
        raise ValueError("default is not for the target; take it out")
    try:
        default = read_as(column.type, value, column.width, column.zone)
        if default == "":
            raise ValueError("must not be empty")
    except ValueError as error:
        raise ValueError(f"default is {shown(value)}, and {error}") from error
    if column.minimum is not None and isinstance(default, float) and default < column.minimum:
        raise ValueError(
            f"default is {default:g} and minimum {column.minimum:g}; default must not be smaller"
        )
    return default
