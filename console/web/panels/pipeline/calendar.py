"""The calendar: a month of past and coming runs, as a table whose days link to their jobs.

HTML, because the cells of Streamlit's tables cannot hold links of this kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from html import escape

import streamlit as st

from console.queries import job_history
from console.text import formatting
from console.web import addresses, page_state, reading, session, widgets
from core.rules.ops.run_calendar import Day, beside, first_of_month

_MONTH = "month"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_KINDS = {
    "good": ("✓", "succeeded"), "bad": ("✗", "failed or cancelled"), "open": ("…", "open"),
    "coming": ("◷", "scheduled"),
}  # fmt: skip
"""The class, sign and words of each count."""


def calendar() -> None:
    """One month, and the ways to the months beside it."""
    today = widgets.now().date()
    month = first_of_month(page_state.address(_MONTH), today)
    weeks = reading.query(job_history.calendar, month)
    if weeks is None:
        return
    row = st.container(horizontal=True, vertical_alignment="center")
    for label, to in (("Month before", beside(month, -1)), ("Month after", beside(month, 1))):
        icon = ":material/chevron_left:" if to < month else ":material/chevron_right:"
        row.button(label, key=label, icon=icon, type="tertiary", on_click=_show, args=(to,),
                   disabled=to == month)  # fmt: skip
    row.markdown(f"**{month:%B %Y}**", width="content")
    name = session.dataset_name()

    def address(day: date) -> str:
        query = {"view": "History", "day": day.isoformat()}
        return addresses.of(name, "pipeline", query)

    st.html(table(weeks, today, address))
    key = ", ".join(f"{sign} {words}" for sign, words in _KINDS.values())
    st.caption(f"Jobs by the day of their request, in UTC: {key}. A day leads to its jobs.")


def _show(month: date) -> None:
    page_state.note_address(_MONTH, f"{month:%Y-%m}")


def table(
    weeks: Sequence[Sequence[Day | None]], today: date, address: Callable[[date], str]
) -> str:
    """The month's table in HTML; `address` gives the link of a day."""
    heads = "".join(f'<th scope="col">{name}</th>' for name in _DAYS)
    body = "".join(
        f"<tr>{''.join(_cell(day, today, address) for day in week)}</tr>" for week in weeks
    )
    return f'<table class="calendar"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'


def _cell(day: Day | None, today: date, address: Callable[[date], str]) -> str:
    if day is None:
        return "<td></td>"
    jobs = {"good": day.succeeded, "bad": day.ended_badly, "open": day.open}
    counts = {kind: str(number) for kind, number in jobs.items() if number}
    if day.coming:
        counts["coming"] = f"{day.coming}{'+' if day.is_capped else ''}"
    signs = "".join(_count(kind, number) for kind, number in counts.items())
    title = str(day.date.day)
    if any(jobs.values()):
        told = f"{day.date:%-d %B}: {formatting.count(sum(jobs.values()), 'job')}"
        title = f'<a href="{escape(address(day.date))}" aria-label="{told}">{title}</a>'
    here = ' class="today" aria-current="date"' if day.date == today else ""
    return f"<td{here}>{title}{signs}</td>"


def _count(kind: str, number: str) -> str:
    sign, words = _KINDS[kind]
    return f'<span class="{kind}"><b aria-hidden="true">{sign}</b> {number}<i> {words}</i></span>'
