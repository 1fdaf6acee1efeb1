"""The console's Streamlit script, run for each session; `console/web/asgi.py` serves it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from console.web import acting, addresses, login, page_state, session, top, widgets
from console.web.metrics import metrics
from core.domain.errors import DriftdeskError

# A local file: browsers fetch named icons from a Google server.
MARK = Path(__file__).parent / "mark.svg"

st.set_page_config(page_title="driftdesk", page_icon=str(MARK), layout="wide")

try:
    instead = login.instead_of_pages()
    several = session.has_several()
except DriftdeskError as error:
    st.error(widgets.plain(str(error)))
    st.stop()

first = "fleet" if several else "overview"
pages = {
    name: st.Page(
        f"views/{name}.py",
        title=name.capitalize(),
        icon=icon,
        url_path="first" if name == first else name,
        default=name == first,
        visibility="hidden" if name == "search" else "visible",  # each page has a field for it
    )
    for name, icon in widgets.PAGES.items()
    if several or name != "fleet"
}
# Streamlit shows the first page at `/` and at no other path; its name leads there as well.
by_name = st.Page(lambda: None, title=first, url_path=first, visibility="hidden")
# Streamlit's own navigation would lose the dataset from the address.
hidden = several or instead
page = st.navigation([*pages.values(), by_name], position="hidden" if hidden else "top")
if instead:
    instead()
    st.stop()
if page is by_name:
    st.switch_page(pages[first], query_params=st.query_params.to_dict())
shown = next(name for name in pages if pages[name] is page)
with metrics().rerun(page.title):
    dataset = session.dataset_name()
    if shown == "fleet" and dataset:  # the first page of a desk with one dataset was its Overview
        st.switch_page(pages["overview"], query_params=st.query_params.to_dict())
    addresses.arrive(shown)
    page_state.begin(dataset)
    about = [session.desk().dataset.title] if dataset else []
    st.set_page_config(page_title=" · ".join([page.title, *about, "driftdesk"]))
    top.header(shown, page.title)
    acting.show_message()
    if several and dataset:
        top.disabled_note()
    if dataset or shown in top.OF_ALL:
        page.run()
    else:
        top.choose(shown)
    addresses.arrived()
