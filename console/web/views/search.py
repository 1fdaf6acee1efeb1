"""Search: a version, a job, a batch, a prediction or a dataset, in all datasets at once."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from console.queries import fleet as fleet_queries
from console.text import formatting
from console.web import reading, session, widgets
from console.web.panels.fleet.hits import listing
from core.domain.fleet import Hit

_LONGEST = 100

_FINDS = (
    "Finds a version, a job, a batch or an epoch by its number, a prediction by its id or the "
    "start of it, and a dataset by its name."
)


def found(text: str, hits: Sequence[Hit]) -> None:
    """The hits, or what can be searched for."""
    if not hits:
        st.info(f"Nothing found for {widgets.plain(text)}.", icon=":material/search_off:")
        st.caption(_FINDS)
        return
    count = formatting.count(len(hits), "hit")
    more = "The first " if len(hits) == fleet_queries.MOST_HITS else ""
    st.caption(f"{more}{count}.")
    titles = {name: d.title for name, d in session.fleet().datasets().usable.items()}
    st.html(listing(hits, titles if session.has_several() else {}, widgets.now()))


wanted = st.text_input(
    "Search", key="q", bind="query-params", max_chars=_LONGEST, label_visibility="collapsed",
    placeholder="3, job 12, batch 1/7, epoch 1, the start of a prediction's id, a dataset",
    icon=":material/search:", width=520,
)  # fmt: skip
if wanted and wanted.strip():
    answer = reading.query_fleet(fleet_queries.search, wanted)
    if answer is not None:
        found(wanted.strip(), answer)
else:
    st.caption(_FINDS)
