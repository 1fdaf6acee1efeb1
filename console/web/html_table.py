"""Rows as a table in HTML whose texts wrap: what a data grid would cut can be read here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any, NamedTuple

from console.text import formatting
from console.web import addresses
from core.domain.safe_text import printable

_LONG = 280
"""A text of more characters is folded; its beginning is shown."""


class When(NamedTuple):
    """A cell with a time: how long ago it was, exact on hover."""

    at: datetime
    now: datetime


class Anchor(NamedTuple):
    """A cell that is a link."""

    text: str
    address: str


def html_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows with the columns of the first one; on narrow screens each row becomes a card.

    A cell is a text, a number, a time (UTC), a `When`, an `Anchor`, or None.
    """
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in rows[0])
    body = "".join(
        "<tr>"
        + "".join(f'<td data-label="{escape(n)}">{_cell(value)}</td>' for n, value in row.items())
        + "</tr>"
        for row in rows
    )
    return f'<table class="fleet texts"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def time(at: datetime, now: datetime) -> str:
    """A time in the past as HTML: how long ago it was, exact on hover."""
    exact = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    iso = f"{at:%Y-%m-%dT%H:%M:%SZ}"
    return f'<time datetime="{iso}" title="{exact}">{formatting.ago(at, now)}</time>'


def _cell(value: Any) -> str:
    if value is None or value == "":
        return '<span class="none"></span>'
    if isinstance(value, Anchor):
        return addresses.anchor(printable(value.text), value.address)
    if isinstance(value, When):
        return time(value.at, value.now)
    if not isinstance(value, str):
        is_time = isinstance(value, datetime)
        return f"<time>{value:%Y-%m-%d %H:%M:%S}</time>" if is_time else f"{value:,}"
    text = printable(value)
    if len(text) <= _LONG:
        return escape(text)
    short = escape(formatting.shorten(text, _LONG // 2))
    return f"<details><summary>{short}</summary>{escape(text)}</details>"
