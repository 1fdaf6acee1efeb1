"""The batch ledger, an epoch at a time: what came in, what did not, and why rows were left out."""

from __future__ import annotations

import streamlit as st

from console import history, parts, queries, session, words
from console.ledger import MISSING, lines, summary
from core.records import Batch, Epoch, EpochState

_STATES = {
    EpochState.OPEN: "Open",
    EpochState.EXHAUSTED: "The data has ended",
    EpochState.CLOSED: "Closed by a later epoch",
}


def ledger() -> None:
    """One epoch's batches, chosen in the page's address."""
    epochs = session.ask(history.epochs)
    if epochs is None:
        return
    if not epochs:
        st.info(
            "No batch has come in yet. **Ingest next batch** asks the data API for the first one.",
            icon=":material/flag:",
        )
        return
    known = {e.number: e for e in epochs}
    row = st.container(horizontal=True, vertical_alignment="bottom")
    epoch = row.selectbox("Epoch", list(known), key="epoch", bind="query-params", width=160)
    row.caption(_about(known[epoch]))
    batches = session.ask(history.ledger, epoch)
    if batches is None:
        return
    if not batches:
        st.caption("Nothing has come in during this epoch yet.")
        return
    _figures(batches)
    _table(batches)
    _quarantine([b for b in batches if b.quarantined])


def _about(epoch: Epoch) -> str:
    began = words.ago(epoch.started_at, parts.now())
    return f"{_STATES[epoch.state]}; it began {began} ({epoch.started_at:%Y-%m-%d %H:%M} UTC)"


def _figures(batches: list[Batch]) -> None:
    s = summary(batches)
    figures = [
        ("Batches stored", s.stored, ""),
        ("Rows stored", s.rows, ""),
        ("Quarantined", s.quarantined, "Rows that could not be stored; the reasons stand below."),
        ("Never came", s.missing, "Batch numbers that were skipped."),
        ("Repeats", s.repeated, "The same content came again; nothing was added."),
        (
            "Conflicts, lost",
            s.conflicts + s.lost,
            f"{s.conflicts} came again with other content, {s.lost} broke off or were unreadable.",
        ),
    ]
    row = st.container(horizontal=True, gap="medium")
    for label, value, explain in figures:
        row.metric(label, f"{value:,}", help=explain or None, width="content")


def _table(batches: list[Batch]) -> None:
    st.dataframe(
        [
            {
                "Batch": line.numbers,
                "State": "missing" if line.state == MISSING else words.STATES[line.state][1],
                "Rows": line.batch.rows if line.batch else None,
                "Stored": line.batch.stored if line.batch else None,
                "Quarantined": line.batch.quarantined if line.batch else None,
                "MB": round(line.batch.bytes / 1e6, 2) if line.batch else None,
                "Received (UTC)": line.batch.received_at.replace(tzinfo=None)
                if line.batch
                else None,
                "Note": line.note,
            }
            for line in lines(batches)
        ],
        hide_index=True,
        placeholder="",
        width="stretch",
        column_config={
            "Batch": st.column_config.TextColumn(width="small"),
            "Rows": st.column_config.NumberColumn(format="localized"),
            "Stored": st.column_config.NumberColumn(format="localized"),
            "Quarantined": st.column_config.NumberColumn(format="localized"),
            "Received (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss"),
            "Note": st.column_config.TextColumn(width="large"),
        },
    )


def _quarantine(batches: list[Batch]) -> None:
    if not batches:
        return
    st.subheader("Quarantined rows", anchor=False)
    names = {b.id: f"Batch {b.number}: {b.quarantined:,} rows" for b in batches}
    chosen = st.selectbox(
        "Batch",
        list(names),
        format_func=names.__getitem__,
        key="quarantined",
        label_visibility="collapsed",
    )
    reasons = session.ask(history.reasons, chosen) or []
    st.dataframe(
        [{"Why": reason, "Rows": number} for reason, number in reasons],
        hide_index=True,
        width="stretch",
        column_config={"Rows": st.column_config.NumberColumn(format="localized", width="small")},
    )
    with st.expander("The first of them"):
        rows = session.ask(queries.quarantined, chosen) or []
        st.dataframe(
            [{"Row": q.row_number, "Why": q.reason, "Content": q.content} for q in rows],
            hide_index=True,
            width="stretch",
        )
