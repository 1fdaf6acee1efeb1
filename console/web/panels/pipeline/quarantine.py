"""Quarantined rows of a batch: why, which values, and reading them again."""

from __future__ import annotations

import streamlit as st

from console.actions import batches as batch_actions
from console.queries import job_history
from console.queries import quarantine as queries
from console.text import formatting
from console.text.quarantine import matching
from console.web import acting, page_state, reading, widgets
from console.web.select import select
from core.domain.batches import Batch
from core.rules.access.roles import Right


def rows(batches: list[Batch], *, is_current: bool) -> None:
    """A batch to choose, its reasons, its rows with a search, and what can be done."""
    by_id = {b.id: b for b in batches if b.quarantined}
    if not by_id:
        return
    st.subheader("Quarantined rows", anchor=False)
    line = st.container(horizontal=True, vertical_alignment="bottom")
    names = {
        b.id: f"Batch {b.number}: {formatting.count(b.quarantined, 'row')}" for b in by_id.values()
    }
    batch = by_id[select(line, "Batch", names, "quarantined", width=320)]
    help_ = "Reads the rows with today's dataset file, and adds those that are valid now."
    disabled = not is_current or batch.rows_removed_at is not None
    look = widgets.only(Right.RUN, disabled=disabled, help=help_)
    if line.button("Read again…", icon=":material/replay:", key=f"reread-{batch.id}", **look):
        read_again(batch)
    if not is_current:
        st.caption("This epoch has ended; its quarantined rows cannot be read again.")
    reasons = reading.query(job_history.reasons, batch.id)
    if reasons is None:
        return
    widgets.table(
        [{"Reason": reason, "Rows": number} for reason, number in reasons],
        column_config={"Rows": st.column_config.NumberColumn(format="localized", width="small")},
    )
    _values(batch)


@widgets.dialog("Read the quarantined rows again")
def read_again(batch: Batch) -> None:
    """Say what reading again changes."""
    st.markdown(
        f"The {formatting.count(batch.quarantined, 'quarantined row')} of **batch {batch.number}** "
        "are read with the dataset file that the workers have now. Rows that are valid are added "
        "to the batch; its profile is computed again, and it and the batches that were compared "
        "with it are compared again. Versions that were trained on the batch do not change."
    )
    widgets.reason("reread-reason", "Reason (optional)")

    def go_on() -> None:
        reason = page_state.get_state("reread-reason")
        done = "Reading the quarantine is queued."
        acting.act(done, batch_actions.retry_quarantine, batch.id, reason=reason)

    widgets.confirm("Read again", go_on)


def _values(batch: Batch) -> None:
    """The values that broke a rule, searchable, and as a file."""
    if not st.toggle("Show values", key="quarantined-values"):
        return
    rules = reading.query(queries.rules, batch.id)
    if rules is None:
        return
    line = st.container(horizontal=True, vertical_alignment="bottom")
    words = line.text_input("Search", key="quarantine-search", placeholder="column, value, …")
    line.download_button(
        "Download",
        reading.deferred_query(queries.content, batch.id),
        file_name=f"quarantine-{batch.epoch}-{batch.number}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    matching_rules = matching(rules, words or "")
    if batch.quarantined > queries.ON_PAGE:
        st.caption(f"The first {queries.ON_PAGE:,} rows are searched.")
    if not matching_rules:
        st.caption("No row matches.")
        return
    widgets.table([
        {"Row": r.row, "Column": r.column or "(whole row)", "Value": r.value,
         "Reason": r.reason}
        for r in matching_rules
    ], column_config={"Row": st.column_config.NumberColumn(width="small")})  # fmt: skip
