"""CSV that is safe to open: a spreadsheet must not take text from data for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

_STARTS = ("=", "+", "-", "@", "\t", "\r")


def inert(cell: Any) -> Any:
    """A cell as a spreadsheet may have it: text that starts like a formula gets an apostrophe.

    Numbers stay numbers, negative ones too.
    """
    if isinstance(cell, str) and cell.startswith(_STARTS):
        return f"'{cell}"
    return "" if cell is None else cell


def csv_of(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """A CSV file in UTF-8 with a mark at its start, by which spreadsheets know the encoding."""
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow([inert(cell) for cell in header])
    out.writerows([inert(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8-sig")
