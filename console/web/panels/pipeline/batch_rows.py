"""The first rows of a batch, as they are stored."""

from __future__ import annotations

import streamlit as st

from console.queries import rows_export
from console.text import formatting
from console.web import reading, widgets
from console.web.select import select
from core.domain.batches import Batch, BatchState


def preview(batches: list[Batch]) -> None:
    """A batch to choose, and its first rows."""
    kept = {b.id: b for b in batches if b.state is BatchState.STORED and b.kept_rows}
    if not kept:
        return
    if not st.toggle("Show rows", key="show-rows"):  # else nothing is asked of the database
        return
    names = {
        b.id: f"Batch {b.number} ({formatting.count(b.kept_rows, 'row')})" for b in kept.values()
    }
    chosen = select(st, "Batch", names, "rows-shown", width=320)
    rows = reading.query(rows_export.preview, chosen)
    if rows is None:
        return
    more = kept[chosen].kept_rows - len(rows)
    if more > 0:
        st.caption(f"The first {len(rows)} rows; {more:,} more are stored.")
    widgets.table(rows)
