"""The required actions, each with the act that answers it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from console.actions import alerts
from console.web import widgets
from core.rules.access.roles import Right
from core.rules.ops import live_alerts
from core.rules.ops.need import Need


def listing(required: Sequence[Need], *, is_awaited: bool, has_model: bool) -> None:
    """Each required action, the most urgent first.

    `is_awaited` while services are still asked; `has_model` if a model is live.
    """
    st.subheader("Action required", anchor=False, help=live_alerts.THRESHOLDS)
    if is_awaited:
        st.caption("Asking MLflow and serving which version they have…")
    elif not required and not has_model:
        st.info("No action required. No model is live yet.", icon=":material/hourglass_empty:")
    elif not required:
        st.success("No action required.", icon=":material/check_circle:")
    for n, need in enumerate(required):
        with st.container(border=True, key=f"need-{n}"):
            _card(need, n)


def _card(need: Need, n: int) -> None:
    colour, word = ("red", "alert") if need.urgent else ("orange", "pending")
    st.markdown(f":{colour}-badge[{word}] **{widgets.plain(need.title)}**")
    if need.detail:
        st.caption(widgets.plain(need.detail))
    row = st.container(horizontal=True, vertical_alignment="center")
    with row:
        label = need.act or f"Open {need.page.capitalize()}"
        widgets.page_link(need.page, label, dict(need.query) or None)
    if need.seen:
        done = "The alert is marked as seen; the audit log says by whom."
        look = {"icon": ":material/visibility:", "type": "tertiary", **widgets.only(Right.RUN)}
        widgets.act_button(row, "Mark as seen", f"seen-{n}", done, alerts.see, need.seen, **look)
