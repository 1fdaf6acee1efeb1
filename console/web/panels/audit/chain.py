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
    for column, link in zip(st.columns(len(links), border=True, gap="xsmall"), links, strict=True):
        if link.page:
            column.page_link(
                f"views/{link.page}.py", label=link.title, query_params=addresses.query(link.query)
            )
        else:
            column.markdown(link.title)
        column.caption(widgets.plain(link.says))
