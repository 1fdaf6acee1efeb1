"""The source of the batches: what it is, what came last, and what would be next."""

from __future__ import annotations

import streamlit as st

from console.queries import source as queries
from console.queries import status
from console.web import page_state, reading, session, widgets
from core.domain.errors import DriftdeskError
from core.domain.sources import address
from core.rules.access.roles import Right

_SECONDS = 30
"""How long a page waits for the source."""

_CHECKED = "source-checked"


def state() -> None:
    """The source and its newest entry in the ledger, and a button that asks it."""
    source = session.desk().dataset.source
    st.markdown(f"Source: {widgets.plain(address(source))}.")
    newest = reading.query(status.ledger, 1)
    if newest is None:
        return
    if newest:
        batch = newest[0]
        number = "A batch" if batch.number is None else f"Batch {batch.number}"
        origin = f" from {batch.origin}" if batch.origin else ""
        st.markdown(
            f"Last: {number} of epoch {batch.epoch}{widgets.plain(origin)}, received "
            f"{widgets.when(batch.received_at)}; it {batch.state.in_words}."
        )
    else:
        st.caption("Nothing has been received yet.")
    help_ = f"Tries the source without moving it; waits at most {_SECONDS} seconds."
    look = widgets.only(Right.RUN, help=help_)
    if st.button("Check source", key="check-source", icon=":material/network_check:", **look):
        with st.spinner("Asking the source"):
            page_state.set_state(_CHECKED, (*_answer(), widgets.now()))
    is_good, words, at = page_state.get_state(_CHECKED, (None, "", None))
    if is_good is None:
        return
    (st.success if is_good else st.error)(widgets.plain(words))
    st.caption(f"Checked {widgets.when(at)}.")


def _answer() -> tuple[bool, str]:
    try:
        return True, queries.check(session.desk(), _SECONDS).note
    except DriftdeskError as error:
        return False, str(error)
