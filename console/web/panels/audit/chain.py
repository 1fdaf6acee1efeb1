"""The chain of a lineage as boxes with links, in the order of time."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from console.text.lineage import Link
from console.web import addresses, widgets


def show(links: Sequence[Link]) -> None:
    """A row of boxes, below each other on narrow screens."""
    if not links:
        return
    row = st.container(key="chain")
    for column, link in zip(row.columns(len(links), border=True), links, strict=True):
        column.page_link(
            f"views/{link.page}.py", label=link.title, query_params=addresses.query(link.query)
        )
        column.caption(widgets.plain(link.says))
