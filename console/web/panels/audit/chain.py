"""The chain of a lineage as boxes with links, in the order of time."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from console.text.lineage import Link
from console.web import widgets

_WIDTH = 190


def show(links: Sequence[Link]) -> None:
    """A row of boxes that wraps on narrow screens."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="chain"):
        for n, link in enumerate(links):
            if n:
                st.markdown(":gray[→]", width="content")
            with st.container(border=True, width=_WIDTH, key=f"chain-{n}"):
                st.caption(link.title)
                if link.page:
                    query = dict(link.query)
                    st.page_link(f"views/{link.page}.py", label=link.says, query_params=query)
                else:
                    st.markdown(widgets.plain(link.says))
