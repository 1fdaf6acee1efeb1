"""Tables out of the desk as CSV that a spreadsheet shows and never runs.

A cell that a spreadsheet would take for a formula is text from data, or from an attacker; it gets
an apostrophe before it, as OWASP's "CSV Injection" advises, and is then shown as it was written.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a cell a formula; the last four are the wide forms that some spreadsheets fold."""

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def inert_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """The rows as CSV with a header of every key, in the order in which keys first appear.

    Numbers stay numbers, also where they stand as text; null and NaN are empty; times are ISO
    text. No rows give an empty text.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if not columns:
        return ""
    out = io.StringIO()
    writer = csv.writer(out)  # RFC 4180: commas, CRLF, quotes where they are needed
    writer.writerow([inert(column) for column in columns])
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return "" if math.isnan(value) else inert(repr(value))  # "-inf" is no number to them
    if isinstance(value, datetime | date):
        return value.isoformat()
    return inert(str(value))


def inert(text: str) -> str:
    """A text as a spreadsheet may have it: what it would run gets an apostrophe before it."""
    if _NUMBER.fullmatch(text):
        return text
    return f"'{text}" if text.lstrip(" ").startswith(_STARTS) else text
