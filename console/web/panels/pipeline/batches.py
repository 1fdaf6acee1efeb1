"""The batch ledger of one epoch: batches, missing batches, and their rows."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from console.actions import batches as batch_actions
from console.queries import job_history
from console.text import formatting
from console.text.batch_ledger import MISSING, Line, Summary, decidable, first_batch, lines, summary
from console.web import addresses, reading, session, widgets
from console.web.panels.pipeline import batch_rows, held_batches, quarantine
from console.web.select import select
from core.domain.batches import Batch, Epoch, EpochState
from core.rules.access.roles import Right
from core.rules.data.batch_ledger import SKIPPABLE
from core.rules.drift.batch_verdict import Stand

_STATES = {
    EpochState.OPEN: "Open",
    EpochState.EXHAUSTED: "All batches received",
    EpochState.CLOSED: "Closed by a later epoch",
}


def ledger() -> None:
    """The batches of one epoch, kept in the page's address."""
    epochs = reading.query(job_history.epochs)
    if epochs is None:
        return
    if not epochs:
        st.info(
            f"No batch has been ingested yet. {first_batch(session.desk().dataset.source)}.",
            icon=":material/flag:",
        )
        return
    by_number = {e.number: e for e in epochs}
    row = st.container(horizontal=True, vertical_alignment="bottom")
    epoch = row.selectbox("Epoch", list(by_number), key="epoch", bind="query-params", width=160)
    row.caption(_about(by_number[epoch]))
    ledger = reading.query(job_history.ledger, epoch)
    if ledger is None:
        return
    batches = ledger.entries
    if not batches:
        st.caption("No batch has been ingested in this epoch yet.")
        return
    _counts(summary(batches, ledger.gaps))
    if not ledger.is_whole:
        st.caption(f"The newest {len(batches):,} entries of the epoch are counted and shown.")
    _table(lines(batches, ledger.gaps), ledger.stands)
    _decide(decidable(batches), is_current=epoch == epochs[0].number)
    held_batches.held(batches)
    batch_rows.preview(batches)
    held_batches.downloads(epoch, batches)
    quarantine.rows(batches, is_current=epoch == epochs[0].number)


def _about(epoch: Epoch) -> str:
    began = formatting.ago(epoch.started_at, widgets.now())
    return f"{_STATES[epoch.state]}; started {began} ({epoch.started_at:%Y-%m-%d %H:%M} UTC)"


def _counts(s: Summary) -> None:
    again = f"{s.conflicts} received again with other content, {s.lost} lost or unreadable."
    counts = [
        ("Batches stored", s.stored, None),
        ("Rows stored", s.rows, "Rows in the database now."),
        ("Quarantined", s.quarantined, "Rows that could not be stored; see the reasons below."),
        ("Missing", s.missing, "Batch numbers that were never received."),
    ]
    seldom = [
        ("Rows removed", s.removed, "Rows that were stored and have since been removed."),
        ("Repeats", s.repeated, "Received again with the same content; nothing was added."),
        ("Conflicts, lost", s.conflicts + s.lost, again),
        ("Closed", s.closed, "Received but not stored; see below."),
        ("Undecided", s.open, "Interrupted transfers. The next batch shows if one was lost."),
    ]
    counts += [one for one in seldom if one[1]]
    row = st.container(horizontal=True, gap="medium")
    for label, value, help_ in counts:
        row.metric(label, f"{value:,}", help=help_, width="content")


def _table(ledger_lines: list[Line], stands: Mapping[int, Stand]) -> None:
    localized = st.column_config.NumberColumn(format="localized", width="small")
    judged = f"What to do about it, for the newest {job_history.JUDGED} batches."
    widgets.table(
        [
            {
                "Batch": line.numbers,
                "Open": _address(line.batch),
                "State": "missing" if line.state == MISSING else formatting.STATES[line.state][1],
                "Verdict": stands.get(line.batch.id) if line.batch else None,
                "Rows": b.rows if (b := line.batch) else None,
                "Stored": b.stored if b else None,
                "Quarantined": b.quarantined if b else None,
                "MB": round(b.bytes / 1e6, 2) if b else None,
                "Received (UTC)": b.received_at.replace(tzinfo=None) if b else None,
                "Note": line.note,
            }
            for line in ledger_lines
        ],
        placeholder="",
        column_config={
            "Batch": st.column_config.TextColumn(width="small"),
            "Verdict": st.column_config.TextColumn(help=judged),
            "Open": st.column_config.LinkColumn("Page", display_text="open", width="small"),
            **dict.fromkeys(("Rows", "Stored", "Quarantined"), localized),
            "Received (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss"),
            "Note": st.column_config.TextColumn(width="large"),
        },
    )


def _address(batch: Batch | None) -> str | None:
    """The address of a batch's page; None for an entry without a number."""
    if batch is None or batch.number is None:
        return None
    return addresses.kept(f"pipeline?batch={batch.epoch}/{batch.number}")


@widgets.dialog("Skip this batch")
def _skip(batch: Batch) -> None:
    """Say what skipping changes, and ask for a reason."""
    st.markdown(
        f"**{_named(batch)}** will not be stored, and the next ingest continues with the next "
        "batch. Its file stays in the spool: **Read again** undoes this until the epoch ends."
    )
    done = f"{_named(batch)} is skipped."
    widgets.confirm_with_reason("Skip", "skip-reason", done, batch_actions.skip, batch.id)


def _named(batch: Batch) -> str:
    number = "A batch" if batch.number is None else f"Batch {batch.number}"
    return f"{number} (entry {batch.id})"


def _decide(undecided: list[Batch], *, is_current: bool) -> None:
    """Batches that were received but not stored: read again or skip."""
    if not undecided:
        return
    st.subheader("Not stored", anchor=False)
    if not is_current:
        st.caption("This epoch has ended; its batches cannot be read again.")
        return
    entries = {b.id: b for b in undecided}
    row = st.container(horizontal=True, vertical_alignment="bottom")
    names = {b.id: f"{_named(b)}: {formatting.STATES[b.state][1]}" for b in entries.values()}
    batch = entries[select(row, "Entry", names, "entry", width=320)]
    done = f"{_named(batch)} will be read by the next ingest."
    look = {"icon": ":material/replay:", **widgets.only(Right.RUN)}
    widgets.act_button(
        row, "Read again", f"read-again-{batch.id}", done, batch_actions.retry, batch.id, **look
    )
    if row.button(
        "Skip…",
        icon=":material/skip_next:",
        key=f"skip-{batch.id}",
        **widgets.only(Right.RUN, disabled=batch.state not in SKIPPABLE),
    ):
        _skip(batch)
    st.caption(widgets.plain(batch.note or f"Attempts: {batch.tries}. It is next in the queue."))
