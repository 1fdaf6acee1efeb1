"""The console: `streamlit run console/app.py`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from console import login, parts, session
from core.errors import DriftdeskError

# A file of ours: for a named icon every browser would ask a server of Google's.
MARK = Path(__file__).parent / "mark.svg"

st.set_page_config(page_title="driftdesk", page_icon=str(MARK), layout="wide")

try:
    instead = login.instead_of_pages()
except DriftdeskError as error:
    st.error(str(error))
    st.stop()

page = st.navigation(
    [
        st.Page("views/overview.py", title="Overview", icon=":material/home:", default=True),
        st.Page("views/pipeline.py", title="Pipeline", icon=":material/conveyor_belt:"),
        st.Page("views/drift.py", title="Drift", icon=":material/stacked_line_chart:"),
        st.Page("views/promotion.py", title="Promotion", icon=":material/approval:"),
        st.Page("views/predict.py", title="Predict", icon=":material/calculate:"),
        st.Page("views/audit.py", title="Audit", icon=":material/history_edu:"),
        st.Page("views/services.py", title="Services", icon=":material/dns:"),
    ],
    position="hidden" if instead else "top",
)
if instead:
    instead()
    st.stop()
with session.rerun(page.title):
    session.begin()
    parts.header(page.title)
    session.show_message()
    page.run()
