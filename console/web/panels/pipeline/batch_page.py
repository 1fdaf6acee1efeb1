"""One batch by its address: its verdict, profile, rows, quarantine, reports and versions."""

from __future__ import annotations

from typing import Any

import streamlit as st

from console.queries import lineage, rows_export, status
from console.text import formatting
from console.text.batch_ledger import note_of, repeats
from console.text.lineage import Lineage
from console.text.profile_table import FIGURES, number_rows, text_rows, time_rows
from console.web import page_state, reading, session, widgets
from console.web.html_table import html_table
from console.web.panels.audit import tables
from console.web.panels.pipeline import held_batches, quarantine
from core.domain.batches import Batch, BatchState
from core.domain.dataset import Column, ColumnType
from core.rules.access.roles import Right

_ADDRESS = "batch"


def chosen() -> str:
    """The batch in the address as EPOCH/NUMBER, if any."""
    return str(st.query_params.get(_ADDRESS, ""))


def detail(entry: str) -> None:
    """Everything on record about one batch."""
    st.button("All batches", icon=":material/arrow_back:", on_click=_to_ledger)
    found = reading.query(lineage.passport, f"batch:{entry}")
    if not found or not found.batches:
        return
    batch = found.batches[0]
    _head(batch, found)
    if batch.state is not BatchState.STORED:
        return
    _acts(batch)
    _rows(batch)
    _profile(batch)
    current = reading.query(status.current_epoch)
    quarantine.rows([batch], is_current=current == batch.epoch)
    if found.drift:
        st.subheader("Drift reports", anchor=False)
        st.html(html_table(tables.reports(found.drift)))


def _to_ledger() -> None:
    st.query_params.pop(_ADDRESS, None)
    page_state.set_state("view", "Batches")


def _head(batch: Batch, found: Lineage) -> None:
    """The batch's state and verdict, and the versions that learned from it."""
    state = widgets.badge(batch.state)
    held = " :orange-badge[held]" if batch.is_held else ""
    st.subheader(f"Batch {batch.number} of epoch {batch.epoch}", anchor=False)
    received = f"received {widgets.when(batch.received_at)}, {batch.bytes / 1e6:,.2f} MB"
    counts = f"{formatting.count(batch.stored, 'row')} stored, {batch.quarantined:,} quarantined"
    st.markdown(f"{state}{held} {counts} · {received}", help=widgets.exact(batch.received_at))
    if note := note_of(batch):
        st.caption(widgets.plain(note))
    if same := repeats(batch, reading.query(status.first_of_content, batch)):
        st.caption(f":material/content_copy: {same}")
    if found.verdict:
        with st.container(border=True):
            st.markdown(f"**{widgets.plain(found.verdict.title)}**")
            st.caption(widgets.plain(found.verdict.detail))
    row = st.container(horizontal=True)
    with row:
        entry = f"{batch.epoch}/{batch.number}"
        widgets.page_link("drift", "See its drift", {"batch": entry})
        lineage_query = {"part": "Lineage", "follow": f"batch:{entry}"}
        widgets.page_link("audit", "See its lineage", lineage_query)
        for version in found.versions[:3]:
            query = {"version": str(version)}
            widgets.page_link("promotion", f"Version {version} learned from it", query)


def _acts(batch: Batch) -> None:
    """Hold or release it, and download its rows."""
    row = st.container(horizontal=True)
    if batch.is_held:
        if widgets.button(
            row, "Release…", ":material/play_circle:", Right.RUN, key="batch-release"
        ):
            held_batches.release(batch)
    elif widgets.button(row, "Hold…", ":material/pause_circle:", Right.RUN, key="batch-hold"):
        held_batches.hold([batch])
    if not batch.kept_rows:
        return
    if batch.kept_rows > rows_export.ON_PAGE:
        st.caption(
            f"Downloads are limited to {rows_export.ON_PAGE:,} rows. "
            f"`{widgets.with_dataset('driftdesk rows export')}` has no limit."
        )
        return
    wanted = rows_export.Chosen(batch.epoch, batch.id)
    for label, form in held_batches.FORMATS.items():
        row.download_button(
            label,
            reading.deferred_query(rows_export.content, wanted, form),
            file_name=f"epoch-{batch.epoch}-batch-{batch.number}.{form}",
            mime=held_batches.MIME[form],
            icon=":material/download:",
            on_click="ignore",
            key=f"batch-{form}",
        )


def _rows(batch: Batch) -> None:
    """The first rows, as they are stored."""
    rows = reading.query(rows_export.preview, batch.id) if batch.kept_rows else []
    st.subheader("First rows", anchor=False)
    if not rows:
        st.caption("Its rows are not in the database any more.")
        return
    more = batch.kept_rows - len(rows)
    if more > 0:
        st.caption(f"The first {len(rows)} rows; {more:,} more are stored.")
    columns = {c.name: c for c in session.desk().dataset.columns}
    shown = {name: _heading(name, columns.get(name)) for name in rows[0]}
    widgets.table(rows, height=300, column_config=shown, alt="The first rows of the batch")


def _heading(name: str, column: Column | None) -> Any:
    """How a table of rows shows a column: its label with the unit, numbers with separators."""
    label = column.label if column else "Row"
    if column and column.unit:
        label = f"{label} ({column.unit})"
    if column and column.type is ColumnType.NUMBER:
        return st.column_config.NumberColumn(label, help=f"`{name}`", format="localized")
    return st.column_config.Column(label, help=f"`{name}`")


def _profile(batch: Batch) -> None:
    """The statistics of each column."""
    columns = reading.query(status.batch_profile, batch.id)
    if not columns:
        return
    st.subheader("Profile", anchor=False)
    estimated = max(column.error for column in columns)
    if estimated:
        st.caption(
            f"Estimated, since the batch is large: off by at most {formatting.percent(estimated)}."
        )
    dataset, number = session.desk().dataset, st.column_config.NumberColumn(format="localized")
    counts = dict.fromkeys(("Rows", "Distinct"), number)
    counts["Empty %"] = st.column_config.NumberColumn(format="%.1f")
    for rows, of, figures in (
        (number_rows(columns, dataset), "numbers", dict.fromkeys(FIGURES, number)),
        (time_rows(columns, dataset), "times", {}),
        (text_rows(columns, dataset), "texts", {}),
    ):
        if rows:
            alt = f"The statistics of each column of {of}"
            widgets.table(rows, placeholder="", column_config=counts | figures, alt=alt)
