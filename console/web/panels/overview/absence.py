"""What happened while the person was away."""

from __future__ import annotations

import streamlit as st

from console.queries import absence
from console.text import formatting
from console.web import page_state, reading, session, widgets

_SINCE = "overview.since"
_SHOWN = 6


def listing() -> None:
    """What happened since the person's last act before this tab was opened; nothing if nothing."""
    actor = session.actor().name
    moment, opened = page_state.get_state(_SINCE, None) or (
        reading.query(absence.last_act, actor),
        widgets.now(),
    )
    if moment is None:
        return
    page_state.set_state(_SINCE, (moment, opened))
    seen = reading.query(absence.since, actor, moment, opened)
    if not seen or not seen.items:
        return
    row = st.container(horizontal=True, vertical_alignment="center")
    row.subheader("While you were away", anchor=False)
    row.button(
        "Clear", key="absence-clear", type="tertiary", icon=":material/done_all:",
        help="This tab then lists only what happens later.", on_click=_clear,
    )  # fmt: skip
    with st.container(border=True, gap="small", key="absence"):
        for item in seen.items[:_SHOWN]:
            _line(item)
    if len(seen.items) > _SHOWN or not seen.is_whole:
        widgets.page_link("audit", "All in the audit log")
    st.caption(
        f"Since {widgets.when(seen.since)}: your last act on record, at most a week ago.",
        help=widgets.exact(seen.since),
    )


def _line(item: absence.Happened) -> None:
    label = f"{widgets.when(item.at)} · {widgets.plain(formatting.shorten(item.text))}"
    widgets.page_link(item.page, label, item.query or None)


def _clear() -> None:
    now = widgets.now()
    page_state.set_state(_SINCE, (now, now))
