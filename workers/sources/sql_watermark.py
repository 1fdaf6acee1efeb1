"""How far a query has read: a value of its watermark column, as the text that the ledger keeps.

Values of types whose order or equality a database may see differently than Python are refused,
since rows could then be lost or read twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from core.domain.errors import SourceRefused

Value = int | Decimal | datetime | date | str

_TIME_TEXT = re.compile(r"[0-9][0-9TZ:.,+\- ]*[0-9TZ]|[0-9]")
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Watermark:
    """The newest value that was read, and how many rows had it then."""

    value: Value
    rows: int

    def __str__(self) -> str:
        """The text for the ledger, at most 100 characters."""
        return f"{_kind(self.value)}:{self.rows}:{_text(self.value)}"

    @classmethod
    def of(cls, text: str) -> Watermark | None:
        """Read the ledger's text; None where it is empty.

        Raises:
            ValueError: it is none.
        """
        if not text:
            return None
        kind, rows, value = text.split(":", 2)
        return cls(_READ[kind](value), int(rows))


_READ: dict[str, Callable[[str], Value]] = {
    "int": int,
    "decimal": Decimal,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "text": str,
}


def usable(column: str, value: object) -> Value:
    """A value of the watermark column.

    Raises:
        SourceRefused: its type is no good as a watermark.
    """
    if isinstance(value, bool) or not isinstance(value, int | Decimal | date | str):
        raise SourceRefused(
            f"{column} is of type {type(value).__name__}, which is no good as a watermark. Name a "
            "column of whole numbers or times; in the query, cast it if necessary."
        )
    if isinstance(value, str) and not (len(value) <= _LONGEST and _TIME_TEXT.fullmatch(value)):
        raise SourceRefused(
            f"{column} contains the text {value[:_LONGEST]!a}, and a watermark of text must "
            'be a time such as "2026-11-28 12:00:00". Name another column.'
        )
    return value


def _kind(value: Value) -> str:
    for kind, of in (("int", int), ("decimal", Decimal), ("datetime", datetime), ("date", date)):
        if isinstance(value, of):
            return kind
    return "text"


def _text(value: Value) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def newest_of(before: Watermark | None, values: Sequence[object], column: str) -> Watermark:
    """The watermark after some more values, which are in its order.

    Raises:
        SourceRefused: a value cannot be used; see `usable`.
    """
    value = usable(column, values[-1])
    same = sum(one == value for one in values)
    if before is not None and before.value == value:
        same += before.rows
    return Watermark(value, same)
