"""Tables as CSV, with protection against formula injection.

A cell that a spreadsheet would run as a formula gets an apostrophe before it, as OWASP's "CSV
Injection" recommends.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Characters that start a formula; the last four are full-width forms."""

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def inert_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """The rows as CSV, with all keys as columns in order of first appearance.

    Numbers stay numbers, also numbers in text; null and NaN are empty; times are ISO 8601. No rows
    give an empty text.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if not columns:
        return ""
    out = io.StringIO()
    writer = csv.writer(out)  # RFC 4180
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
        # Spreadsheets do not read "-inf" as a number.
        return "" if math.isnan(value) else inert(repr(value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    return inert(str(value))


def inert(text: str) -> str:
    """A text with an apostrophe before it if a spreadsheet would run it as a formula."""
    if _NUMBER.fullmatch(text):
        return text
    return f"'{text}" if text.lstrip(" ").startswith(_STARTS) else text
