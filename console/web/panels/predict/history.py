"""Prediction history, newest first, with a search that is kept in the address."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import streamlit as st

from console.queries import status
from console.text import formatting, prediction_tables
from console.web import addresses, reading, session, widgets

_PAGE = 25
_BEFORE = "before"


def history() -> None:
    """The search form, one page of results, and buttons to page through them."""
    wanted = search()
    before = st.query_params.get(_BEFORE, "")
    page = reading.query(status.search_predictions, before=before, limit=_PAGE, **wanted)
    if page is None:
        return
    if page.found:
        table(page.found)
    elif any(wanted.values()) or before:
        st.info("No prediction matches this search.", icon=":material/search_off:")
    else:
        hint = "No predictions yet. Predict **One row**, or call serving's API."
        st.info(hint, icon=":material/flag:")
    if wanted["value"] and page.older:
        st.caption(
            f"Searched {page.looked_through:,} predictions, back to "
            f"{page.older.at:%Y-%m-%d %H:%M:%S} UTC. **Older** continues the search."
        )
    steps(status.place(page), before)


def search() -> dict[str, Any]:
    """The search form; a change goes back to the newest predictions."""
    id_box, value_box, version_box, since_box, until_box = st.columns([2, 2, 1, 1, 1])
    start = id_box.text_input(
        "Id starts with", key="starts", bind="query-params", on_change=_to_newest,
        placeholder="3fa8…", max_chars=36,
    )  # fmt: skip
    value = value_box.text_input(
        "Input contains", key="has", bind="query-params", on_change=_to_newest,
        placeholder=f"{session.desk().dataset.features[0].name}=…, or a part of a value",
        max_chars=200,
    )  # fmt: skip
    version = version_box.number_input(
        "Version", value=None, min_value=1, max_value=2**31 - 1, step=1, key="model",
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
    """The start of the day `days` later; None if there is no day or no later day."""
    if not isinstance(day, date) or day == date.max:
        return None
    return datetime.combine(day + timedelta(days=days), time(), UTC)


def table(page: Sequence[Any]) -> None:
    """One page of predictions, each with a link to its own page."""
    reported = reading.query(status.reported, [p.id for p in page], silent=True) or {}
    rows = prediction_tables.history_rows(page, session.desk().dataset.names, reported)
    labels = {c.name: c.label for c in session.desk().dataset.columns}
    columns = {name: st.column_config.Column(label) for name, label in labels.items()} | {
        "Open": st.column_config.LinkColumn(display_text="open", width="small", pinned=True),
        "When": st.column_config.DatetimeColumn("When (UTC)", format="YYYY-MM-DD HH:mm:ss"),
        "Prediction": st.column_config.NumberColumn(format="localized"),
    }
    if session.desk().dataset.task.is_classifier:
        columns["Prediction"] = st.column_config.TextColumn()
        columns["Probability"] = st.column_config.NumberColumn(format=formatting.PERCENT)
    linked = [r | {"Open": addresses.kept(str(r["Open"]))} for r in rows]
    widgets.table(linked, height="content", column_config=columns)
    row = st.container(horizontal=True, vertical_alignment="center")
    row.caption(f"{formatting.count(len(rows), 'prediction')} on this page.")
    with row:
        look = {"help": "The predictions of this page.", "type": "tertiary"}
        widgets.download_csv("CSV", [_exported(r) for r in rows], "predictions.csv", **look)


def _exported(row: dict[str, object]) -> dict[str, object]:
    """A row with its id in the place of the link."""
    row = dict(row)
    return row | {"Open": str(row["Open"]).removeprefix("predict?id=")}


def steps(older: str, before: str) -> None:
    """Buttons to the newest and to older predictions."""
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
