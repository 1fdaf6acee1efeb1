"""Values as numbers, texts, codes, dates, timestamps and booleans: one set of rules for all inputs.

Each reader raises `ValueError` with the rule that the value breaks, such as "must be finite".
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from core.domain.dataset import ColumnType

LONGEST_TEXT = 200
"""The longest text that a field may have, in characters."""

EXACT = 2**53
"""Larger whole numbers are not exact in every JSON reader, so they must be sent as text."""

_TYPICAL_DIGITS = 6

_EPOCH = date(1970, 1, 1)
_EPOCH_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_YEAR, _AFTER_LAST_YEAR = -30_610_224_000, 253_402_300_800
"""The years 1000 to 9999 in seconds, which every database holds."""

_DAY = len("2026-11-24")
_WHOLE_NUMBER = f"a whole number below {EXACT:,}"

_BOOLEANS = dict.fromkeys(("true", "t", "yes", "1", "1.0"), "true") | dict.fromkeys(
    ("false", "f", "no", "0", "0.0"), "false"
)

_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(nan|inf(inity)?)", re.ASCII | re.IGNORECASE)
_CODE = re.compile(r"(\d+)(\.0+)?", re.ASCII)
_ADJACENT = re.compile("%[A-Za-z]%[A-Za-z]")
_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)


def read_as(kind: ColumnType, value: object, width: int = 0, zone: str = "") -> float | str:
    """A value that is not empty, as a column of that type takes it.

    Raises:
        ValueError: it breaks a rule of the type.
    """
    if kind is ColumnType.NUMBER:
        return read_number(value)
    if kind is ColumnType.CATEGORY:
        return read_category(value)
    if kind is ColumnType.CODE:
        return read_code(value, width)
    if kind is ColumnType.DATE:
        return read_date(value)
    if kind is ColumnType.BOOLEAN:
        return read_boolean(value)
    return read_timestamp(value, zone)


def as_given(kind: ColumnType, number: float) -> float | str:
    """A number, date or timestamp as a request gives it, from the number that it is read as."""
    if kind is ColumnType.DATE:
        return from_days(number)
    return from_seconds(number) if kind is ColumnType.TIMESTAMP else number


def typical(kind: ColumnType, quantile: float) -> float | str:
    """A quantile as a request gives it, without the digits that only its computation made.

    It may lie between two values: a number has six digits, and all of those before the point; a
    time is to the second.
    """
    if kind is ColumnType.TIMESTAMP:
        return as_given(kind, round(quantile))
    if kind is ColumnType.NUMBER and quantile:
        before = math.floor(math.log10(abs(quantile))) + 1
        quantile = round(quantile, max(_TYPICAL_DIGITS - before, 0))
    return as_given(kind, quantile)


def read_number(value: object) -> float:
    """A finite number, from a number or from text in decimal or exponent notation.

    Raises:
        ValueError: it is not a finite number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a number")  # noqa: TRY004 - one error for the caller to map
    if isinstance(value, str):
        text = value.strip()
        if len(text) > LONGEST_TEXT:
            raise ValueError(f"must be a number of at most {LONGEST_TEXT} characters")
        if not _DECIMAL.fullmatch(text):
            rule = "finite" if _NOT_FINITE.fullmatch(text) else "a number"
            raise ValueError(f"must be {rule}")
        value = text
    try:
        number = float(value)
    except OverflowError:
        raise ValueError("must be a number") from None
    if not math.isfinite(number):
        raise ValueError("must be finite")
    return number


def read_category(value: object) -> str:
    """A category as text: text as it is, true and false, and whole numbers without decimals.

    The numbers 1 and 1.0 and the text "1" are therefore the same category.

    Raises:
        ValueError: it is none of these, or too long.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        try:
            return _whole(value)
        except ValueError:
            raise ValueError(f"must be text, true, false or {_WHOLE_NUMBER}") from None
    return read_text(value)


def read_text(value: object) -> str:
    """A text of at most `LONGEST_TEXT` characters, stripped.

    Raises:
        ValueError: it is not text, too long, or not valid Unicode.
    """
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004
    text = value.strip()
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"must be at most {LONGEST_TEXT} characters")
    if "\x00" in text:
        raise ValueError("must not contain NUL")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode") from None
    return text


def read_code(value: object, width: int) -> str:
    """A number used as a code: 6016.0, 6016, "06016" and "6016.0" are the same, padded to `width`.

    In text, only digits, optionally followed by a point and zeros, are a number. Other text is
    kept unchanged.

    Raises:
        ValueError: it is neither a whole number nor text.
    """
    if isinstance(value, str):
        text = read_text(value)
        digits = _CODE.fullmatch(text)
        return (digits[1].lstrip("0") or "0").zfill(width) if digits else text
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be text or {_WHOLE_NUMBER}")  # noqa: TRY004
    text = _whole(value)
    return text if text.startswith("-") else text.zfill(width)


def _whole(value: float) -> str:
    """The text of a whole number that is exact in every JSON reader.

    Raises:
        ValueError: it is not whole, or too large.
    """
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(f"must be text or {_WHOLE_NUMBER}")
    if abs(value) >= EXACT:
        raise ValueError(f"must be text or {_WHOLE_NUMBER}")
    return str(int(value))


def read_boolean(value: object) -> str:
    """A boolean as the category "true" or "false", from a boolean, 0 or 1, or text.

    The text may be true, t, yes, 1 or 1.0, or their opposites, in any case.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, bool | int | float):
        value = "true" if value == 1 else "false" if value == 0 else ""
    text = value.strip().lower() if isinstance(value, str) else ""
    if (boolean := _BOOLEANS.get(text)) is None:
        raise ValueError("must be true or false, yes or no, or 1 or 0")
    return boolean


def read_date(value: object, parse: str = "") -> float:
    """A day as days since 1970-01-01, from a date, or from text as YYYY-MM-DD.

    A time of day may follow as hh:mm, with optional seconds, fraction and offset; it is ignored.
    With `parse`, text has this strptime format instead, with ASCII digits.

    Raises:
        ValueError: it is not a date.
    """
    if isinstance(value, date):
        return float(value.toordinal() - _EPOCH.toordinal())
    if parse:
        return _parsed_date(value, parse)
    text = value.strip() if isinstance(value, str) else ""
    matched = _DATE.fullmatch(text)
    if matched is None:
        raise ValueError("must be a date as YYYY-MM-DD")
    try:
        day = date(int(matched[1]), int(matched[2]), int(matched[3]))
        if len(text) > _DAY:
            datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date as YYYY-MM-DD") from None
    return float((day - _EPOCH).days)


def _parsed_date(value: object, parse: str) -> float:
    try:
        return read_date(_parsed(value, parse))
    except ValueError:
        raise ValueError(f"must be a date as {parse}") from None


def _parsed(value: object, parse: str) -> datetime:
    text = value.strip() if isinstance(value, str) else ""
    if any(c.isdigit() and not c.isascii() for c in text):
        raise ValueError(text)
    time = datetime.strptime(text, parse)  # noqa: DTZ007 - the caller knows the zone
    if _ADJACENT.search(parse) and time.strftime(parse) != text:
        raise ValueError(text)  # "1112026" is no date as %d%m%Y: it could be two
    return time


def read_timestamp(value: object, zone: str = "", parse: str = "") -> float:
    """A time as seconds since 1970-01-01 in UTC; exact to the microsecond until 2255.

    It is a datetime, or text in ISO 8601 as 2026-11-28T10:00:00Z, or with `parse` in this strptime
    format. `zone` is the zone of times that name none.

    Raises:
        ValueError: it is not a time, names no zone, or is not between the years 1000 and 9999.
    """
    time = value if isinstance(value, datetime) else None
    try:
        if time is None and parse:
            time = _parsed(value, parse)
        elif time is None:
            text = value.strip() if isinstance(value, str) else ""
            matched = _DATE.fullmatch(text)
            time = datetime.fromisoformat(text) if matched and matched[4] else None
    except ValueError:
        time = None
    if time is None:
        raise ValueError(f"must be a time as {parse or '2026-11-28T10:00:00Z'}")
    if time.tzinfo is None:
        if not zone:
            raise ValueError("must name its zone, as 2026-11-28T10:00:00Z")
        time = time.replace(tzinfo=UTC if zone == "UTC" else ZoneInfo(zone))
    return _within((time - _EPOCH_TIME) // _MICROSECOND)


def read_epoch(value: object, epoch: str) -> float:
    """A time as seconds since 1970-01-01 in UTC, from a number of seconds ("s") or "ms".

    Raises:
        ValueError: it is not a number, or not between the years 1000 and 9999.
    """
    return _within(round(read_number(value) * (1_000 if epoch == "ms" else 1_000_000)))


def _within(microseconds: int) -> float:
    seconds = microseconds / 1e6
    if not _FIRST_YEAR <= seconds < _AFTER_LAST_YEAR:
        raise ValueError("must be a time between the years 1000 and 9999")
    return seconds


def from_days(days: float) -> str:
    """The ISO date of a number of days since 1970-01-01."""
    return datetime.fromtimestamp(days * 86_400, tz=UTC).date().isoformat()


def from_seconds(seconds: float) -> str:
    """The ISO time in UTC of a number of seconds since 1970-01-01, with a Z."""
    time = _EPOCH_TIME + timedelta(microseconds=round(seconds * 1e6))
    return time.isoformat().replace("+00:00", "Z")
