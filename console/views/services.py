"""Services: who is well, who is not, and what to do about it."""

from __future__ import annotations

import streamlit as st

from console import parts, queries, session


@st.fragment(run_every=10.0)
def services() -> None:
    """Every neighbour's health, asked again every few seconds."""
    found = session.ask(queries.services) or []
    columns = st.columns(3)
    for n, service in enumerate(found):
        with columns[n % 3].container(border=True):
            colour, word = ("green", "well") if service.healthy else ("red", "not well")
            st.markdown(f"#### {service.name} :{colour}-badge[{word}]")
            st.caption(f"{parts.plain(service.says)} · {service.milliseconds:,.0f} ms")
            if service.advice:
                st.warning(service.advice, icon=":material/build:")
            if service.link:
                st.link_button("Open", service.link, icon=":material/open_in_new:")


services()
