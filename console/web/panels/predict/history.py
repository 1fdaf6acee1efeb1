"""Prediction history, newest first, with a search that is kept in the address."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import streamlit as st

from console.desk import Desk
from console.queries import prediction_log
from console.text import formatting, prediction_tables
from console.text.csv_output import inert_csv
from console.web import addresses, reading, session, widgets

_PAGE = 25
_BEFORE = "before"


def history() -> None:
    """The search form, one page of results, and buttons to page through them."""
    wanted = search()
    before = st.query_params.get(_BEFORE, "")
    page = reading.query(prediction_log.search_predictions, before=before, limit=_PAGE, **wanted)
    if page is None:
        return
    if page.found:
        table(page.found, wanted)
    elif any(wanted.values()) or before:
        st.info("No prediction matches this search.", icon=":material/search_off:")
    else:
        hint = "No predictions yet. Predict **One row**, or call serving's API."
        st.info(hint, icon=":material/flag:")
    if (wanted["value"] or wanted["caller"]) and page.older:
        st.caption(
            f"Searched {page.looked_through:,} predictions, back to "
            f"{page.older.at:%Y-%m-%d %H:%M:%S} UTC. **Older** continues the search."
        )
    steps(prediction_log.place(page), before)


def search() -> dict[str, Any]:
    """The search form; a change goes back to the newest predictions."""
    row = st.container(horizontal=True)  # it wraps on a narrow screen
    look: dict[str, Any] = {"bind": "query-params", "on_change": _to_newest}
    start = row.text_input(
        "Id starts with", key="starts", placeholder="3fa8…", max_chars=36, width=170, **look
    )
    caller = row.text_input(
        "Caller contains", key="caller", placeholder="a key or a person", max_chars=100, width=170,
        **look,
    )  # fmt: skip
    value = row.text_input(
        "Input contains", key="has", max_chars=200, width=356,
        placeholder=f"{session.desk().dataset.features[0].name}=…, or a part of a value", **look,
    )  # fmt: skip
    version = row.number_input(
        "Version", value=None, min_value=1, max_value=2**31 - 1, step=1, key="model", width=70,
        **look,
    )  # fmt: skip
    since = row.date_input("From (UTC)", value=None, key="since", width=140, **look)
    until = row.date_input("To (UTC)", value=None, key="until", width=140, **look)
    return {
        "id_prefix": start or "",
        "value": value or "",
        "caller": caller or "",
        "version": version,
        "since": _midnight(since, 0),
        "until": _midnight(until, 1),
    }


def _midnight(day: Any, days: int) -> datetime | None:
    """The start of the day `days` later; None if there is no day or no later day."""
    if not isinstance(day, date) or day == date.max:
        return None
    return datetime.combine(day + timedelta(days=days), time(), UTC)


def table(page: Sequence[Any], wanted: dict[str, Any]) -> None:
    """One page of predictions, each with a link to its own page, and all of them as a file."""
    reported = reading.query(prediction_log.reported, [p.id for p in page], silent=True) or {}
    target = session.desk().dataset.target
    rows = prediction_tables.history_rows(page, session.desk().dataset.names, reported)
    labels = {c.name: c.label for c in session.desk().dataset.columns}
    unit = f" ({target.unit})" if target.unit else ""
    columns = {name: st.column_config.Column(label) for name, label in labels.items()} | {
        "Open": st.column_config.LinkColumn(
            "Id", display_text=r"[?&]id=([0-9a-f]{8})", width="small", pinned=True
        ),
        "When": st.column_config.DatetimeColumn("When (UTC)", format="YYYY-MM-DD HH:mm:ss"),
        "Prediction": st.column_config.NumberColumn(f"Prediction{unit}", format="localized"),
        "Actual": st.column_config.NumberColumn(f"Actual{unit}", format="localized"),
    }
    if session.desk().dataset.task.is_classifier:
        columns |= dict.fromkeys(("Prediction", "Actual"), st.column_config.TextColumn())
        columns["Probability"] = st.column_config.NumberColumn(format=formatting.PERCENT)
    linked = [r | {"Open": addresses.kept(str(r["Open"]))} for r in rows]
    widgets.table(linked, height="content", placeholder="", column_config=columns)
    row = st.container(horizontal=True, vertical_alignment="center")
    row.caption(f"{formatting.count(len(rows), 'prediction')} on this page.")
    row.download_button(
        "CSV", reading.deferred_query(exported, **wanted), "predictions.csv", "text/csv",
        icon=":material/download:", on_click="ignore", type="tertiary",
        help=f"All that match, at most the newest {prediction_log.EXPORTED:,}.",
    )  # fmt: skip


def exported(desk: Desk, **wanted: Any) -> bytes:
    """The matches of a search as a CSV file."""
    found = prediction_log.matching_predictions(desk, **wanted)
    reported = prediction_log.reported(desk, [p.id for p in found])
    rows = prediction_tables.export_rows(found, reported)
    return inert_csv(rows).encode("utf-8-sig")


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
