"""The console's Streamlit script, run for each session; `console/web/asgi.py` serves it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from console.web import acting, login, page_state, session, widgets
from console.web.metrics import metrics
from core.domain.errors import DriftdeskError

# A local file: browsers fetch named icons from a Google server.
MARK = Path(__file__).parent / "mark.svg"

st.set_page_config(page_title="driftdesk", page_icon=str(MARK), layout="wide")

try:
    instead = login.instead_of_pages()
except DriftdeskError as error:
    st.error(str(error))
    st.stop()

page = st.navigation(
    [
        st.Page(f"views/{n}.py", title=n.capitalize(), icon=icon, default=n == "overview")
        for n, icon in widgets.PAGES.items()
    ],
    position="hidden" if instead else "top",
)
if instead:
    instead()
    st.stop()
with metrics().rerun(page.title):
    page_state.begin()
    st.set_page_config(page_title=f"{page.title} · {session.desk().dataset.title} · driftdesk")
    widgets.header(page.title)
    acting.show_message()
    page.run()
