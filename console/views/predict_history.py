"""History: what serving answered, newest first, with search; every search has an address."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import streamlit as st

from console import parts, predicting, queries, session

_PAGE = 25
_BEFORE = "before"


def history() -> None:
    """The search, one page of what it found, and the way to older ones."""
    wanted = search()
    before = st.query_params.get(_BEFORE, "")
    page = session.ask(queries.search_predictions, before=before, limit=_PAGE, **wanted)
    if page is None:
        return
    if page.found:
        table(page.found)
    elif any(wanted.values()) or before:
        st.info("Nothing fits this search here.", icon=":material/search_off:")
    else:
        st.info(
            "Nothing has been predicted yet. Ask for **One row**, or call serving's API.",
            icon=":material/flag:",
        )
    if wanted["value"] and page.older:
        st.caption(
            f"Looked through {page.looked_through:,} predictions, back to "
            f"{page.older.at:%Y-%m-%d %H:%M:%S} UTC. **Older** looks further."
        )
    steps(queries.place(page), before)


def search() -> dict[str, Any]:
    """What is looked for; a change starts from the newest again."""
    id_box, value_box, version_box, since_box, until_box = st.columns([2, 2, 1, 1, 1])
    start = id_box.text_input(
        "Id starts with", key="starts", bind="query-params", on_change=_to_newest,
        placeholder="3fa8…", max_chars=36,
    )  # fmt: skip
    value = value_box.text_input(
        "An input has", key="has", bind="query-params", on_change=_to_newest,
        placeholder="city=Hartford, or Hart", max_chars=200,
    )  # fmt: skip
    version = version_box.number_input(
        "Version", value=None, min_value=1, max_value=2**31 - 1, step=1, key="version",
        bind="query-params", on_change=_to_newest,
    )  # fmt: skip
    since = since_box.date_input(
        "From (UTC)", value=None, key="since", bind="query-params", on_change=_to_newest
    )
    until = until_box.date_input(
        "To (UTC)", value=None, key="until", bind="query-params", on_change=_to_newest
    )
    return {
        "id_prefix": start or "",
        "value": value or "",
        "version": version,
        "since": _midnight(since, 0),
        "until": _midnight(until, 1),
    }


def _midnight(day: Any, days: int) -> datetime | None:
    """The start of a day, or of the one after; the last of all has none after it."""
    if not isinstance(day, date) or day == date.max:
        return None
    return datetime.combine(day + timedelta(days=days), time(), UTC)


def table(found: Any) -> None:
    """One page of predictions, each with the way to its own."""
    rows = predicting.history_rows(found)
    st.dataframe(
        rows,
        hide_index=True,
        width="stretch",
        height="content",
        column_config={
            "Open": st.column_config.LinkColumn(display_text="open", width="small", pinned=True),
            "When": st.column_config.DatetimeColumn("When (UTC)", format="YYYY-MM-DD HH:mm:ss"),
            "Prediction": st.column_config.NumberColumn(format="localized"),
        },
    )
    st.caption(parts.plain(f"{len(rows)} predictions on this page."))


def steps(older: str, before: str) -> None:
    """To the newest, and to older ones."""
    row = st.container(horizontal=True)
    row.button(
        "Newest", icon=":material/first_page:", disabled=not before, on_click=_to_newest,
        key="history-newest",
    )  # fmt: skip
    row.button(
        "Older", icon=":material/chevron_right:", disabled=not older, on_click=_go,
        args=(older,), key="history-older",
    )  # fmt: skip


def _to_newest() -> None:
    st.query_params.pop(_BEFORE, None)


def _go(place: str) -> None:
    st.query_params[_BEFORE] = place
