"""Drift of batches and of live traffic: verdict, recommendation, history, evidence, limits."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from console.desk import Desk
from console.figures import drift_heatmap
from console.queries import drift
from console.text import formatting
from console.web import job_widgets, page_state, reading, session, widgets
from console.web.panels.drift import (
    acts,
    comparison,
    foremost,
    impact,
    live_traffic,
    on_demand,
    profiles,
    statistics,
)
from console.web.panels.drift import limits as limits_panel
from core.domain.drift import Reference, StoredReport
from core.rules.data.far_values import FarValues
from core.rules.drift import references
from core.rules.drift.thresholds import Cell

PREVIOUS, CHAMPION = "Previous batch", "Champion's training data"
# The address's parameters that show the comparison with a reference.
AGAINST = {Reference.PREVIOUS: dict[str, str](), Reference.CHAMPION: {"against": CHAMPION}}
HISTORY_OF = {
    Reference.PREVIOUS: "Each batch against the batch before it.",
    Reference.CHAMPION: (
        "Each batch against the training rows of the version that was live when it was compared."
    ),
}
SECTIONS = ["Impact", "All statistics", "Distributions", "Data quality", "Limits"]
WINDOWS = {"Last 12": 12, "Last 50": 50, "Last 200": drift.MOST_BATCHES}
# For more batches the history shows the largest change of each column, of so many columns.
_EVERY_STATISTIC, _ROWS = 50, 20
_FEWEST = 2  # one batch alone is no history
_BUSY, _IDLE = 1.5, 8.0  # seconds between two looks, while jobs are open and while none is
_BATCH, _HEAT = "drift-batch", "drift-heat"


def choose(batches: list[drift.ComparedBatch]) -> drift.ComparedBatch:
    """The selected batch, kept in the page's address."""
    named = {b.name: b for b in batches}
    wanted = st.query_params.get("batch", "")
    chosen = next((b for b in batches if b.is_named(wanted)), None)
    if wanted and chosen is None:
        st.info(
            f"Batch {widgets.plain(wanted)} is not among the newest {len(batches)} compared "
            "batches; the newest is shown.",
            icon=":material/info:",
        )
    addresses = {b.name: b.address for b in batches}
    shown = (chosen or batches[0]).name
    return named[widgets.choice(st, "Batch", addresses, shown, _BATCH)]


def open_cell() -> None:
    """Open the batch of the clicked cell."""
    if batch_id := comparison.clicked_cell(_HEAT):
        batches = reading.query(drift.compared, silent=True) or []
        clicked = next((b for b in batches if b.id == batch_id), None)
        st.query_params["batch"] = clicked.address if clicked else str(batch_id)


def ratios(report: StoredReport, far: Sequence[FarValues]) -> None:
    """The charts of every ratio, grouped as the person chooses; nothing for a first batch."""
    if not report.report.changes:
        return
    head, side = st.columns([2, 1], vertical_alignment="bottom")
    head.subheader("Every change", anchor=False)
    grouping = side.segmented_control(
        "Charts", [comparison.BY_STATISTIC, comparison.BY_COLUMN], label_visibility="collapsed",
        default=comparison.BY_STATISTIC, key="group", bind="query-params", required=True,
    )  # fmt: skip
    comparison.ratios(
        report.report, grouping, f"batch-{report.batch_number}", far, references.against(report)
    )


def history(view: drift.View, reference: Reference, cells: list[Cell]) -> None:
    """A heat map of the last batches; a click on a cell opens its batch."""
    batch_ids = list(dict.fromkeys(c.batch_id for c in cells))
    if len(batch_ids) < _FEWEST:
        st.subheader("History", anchor=False)
        st.caption("The history starts with the second comparison.")
        return
    head, side = st.columns([2, 1], vertical_alignment="bottom")
    head.subheader("History", anchor=False)
    window = side.segmented_control(
        "Batches", list(WINDOWS), default="Last 12", key="last", bind="query-params",
        label_visibility="collapsed", required=True,
    )  # fmt: skip
    newest = batch_ids[-WINDOWS[window] :]
    wanted = set(newest)
    shown = [c for c in cells if c.batch_id in wanted]
    by_column = len(wanted) > _EVERY_STATISTIC
    labels = {c.name: c.label for c in session.desk().dataset.compared}
    figure = reading.memo(
        lambda: drift_heatmap.heat(
            drift_heatmap.worst(shown, _ROWS) if by_column else shown, labels, view.batch.id,
            by_column=by_column,
        ),
        "heat", view.stamp, reference.value, window, view.batch.id,
    )  # fmt: skip
    alt = f"Ratio / limit of each statistic, {formatting.count(len(newest), 'batch')}."
    file = f"drift-history-{reference.value}"
    widgets.chart(figure, _HEAT, file, alt, on_select=open_cell, selection_mode="points")
    if by_column:
        st.caption("For each batch and column, the statistic with the largest ratio / limit.")
    st.caption(HISTORY_OF[reference])
    comparison.heat_key(drift_heatmap.BATCH)


def sections(view: drift.View, report: StoredReport, cells: list[Cell]) -> None:
    """The tabs; only the open one is calculated."""
    influence, table, shapes, quality, limits = st.tabs(SECTIONS, key="look", bind="query-params")
    if influence.open:
        with influence:
            if not report.is_alone:
                impact.impact(view)
            else:
                st.caption("Nothing was compared, so no column has changed.")
    if table.open:
        with table:
            statistics.tables(view.reports)
    if (shapes.open or quality.open) and (sides := reading.query(drift.profiles, report)):
        with shapes if shapes.open else quality:
            if shapes.open:
                named = f"epoch {report.epoch}, batch {report.batch_number}"
                file = f"batch-{report.batch_number}"
                profiles.distributions(*sides, (report.reference_name, named), file)
            else:
                profiles.data_quality(*sides, report.reference_name)
    if limits.open:
        with limits:
            limits_panel.editor(report.reference, cells)


def cached_history(desk: Desk, reference: Reference, stamp: object) -> list[Cell]:
    """The history against one reference, cached until another report is written."""
    return reading.memo(lambda: drift.history(desk, reference), "cells", stamp, reference.value)


def page(batches: list[drift.ComparedBatch]) -> None:
    """One batch: verdict, recommendation, actions, charts, history and tabs."""
    left, right, side = st.columns([5, 4, 3], vertical_alignment="bottom")
    with left:
        batch = choose(batches)
    view = reading.query(drift.view, batch.id)
    if view is None:
        return
    against = right.segmented_control(
        "Compared with", [PREVIOUS, CHAMPION], default=PREVIOUS, key="against",
        bind="query-params", required=True,
    )  # fmt: skip
    wanted = Reference.CHAMPION if against == CHAMPION else Reference.PREVIOUS
    report = view.reports.get(wanted)
    if report is None:
        st.info(
            "No model was live when this batch was compared; the comparison with the previous "
            "batch is shown.",
            icon=":material/info:",
        )
        report = view.reports.get(Reference.PREVIOUS)
    if report is None:
        st.info("This batch has no stored comparison.", icon=":material/info:")
        return
    cells = reading.query(cached_history, report.reference, view.stamp) or []
    against = "Not compared" if report.is_alone else f"Compared with {report.compared_with}"
    side.caption(
        f"{against}, {widgets.when(report.created_at)}", help=widgets.exact(report.created_at)
    )
    if view.repeats:
        st.caption(f":material/content_copy: {view.repeats}")
    if view.batch.is_held:
        st.warning(
            f"Batch {view.batch.number} is held: {widgets.plain(view.batch.hold_reason or '')} "
            "It is excluded from comparisons and training until it is released on the "
            "**Pipeline** page.",
            icon=":material/pause_circle:",
        )
    if report.is_alone:
        comparison.alone(view.verdict, batch.address)
        acts.buttons(view, report)
    elif sides := reading.query(drift.profiles, report):
        findings(view, report, sides)
    history(view, report.reference, cells)
    sections(view, report, cells)


def findings(view: drift.View, report: StoredReport, sides: drift.Sides) -> None:
    """Verdict, broken values, actions, findings, and the columns that matter: one screen."""
    far = foremost.far_values(view, report, sides)
    comparison.standing(view.verdict)
    comparison.far_values(far, far)
    acts.buttons(view, report, is_doubtful=bool(far))
    comparison.why(report, view)
    foremost.columns(view, report, sides, far)
    comparison.more(report)
    foremost.elsewhere(view, report, AGAINST)
    ratios(report, list(far))


def under_way(drawn: drift.UnderWay) -> None:
    """The open jobs that change this page, which is `drawn` again when one starts or ends."""
    found = reading.query(drift.under_way, silent=True)
    if found is None:
        return
    if found.version != drawn.version and not page_state.is_dialog_open():
        st.rerun()
    for job in found.jobs:
        job_widgets.job_line(job)


def compared() -> None:
    """The compared batches, or how to get the first one."""
    found = reading.query(drift.under_way, silent=True)
    if found:
        st.fragment(under_way, run_every=_BUSY if found.jobs else _IDLE)(found)
    batches = reading.query(drift.compared)
    if batches:
        page(batches)
    elif batches is not None:
        st.info(
            "No batch has been compared yet. Ingest one on the **Pipeline** page; it is then "
            "compared automatically.",
            icon=":material/flag:",
        )
        widgets.page_link("pipeline")


batches, live, compare = st.tabs(
    ["Batches", "Live traffic", "Compare"], key="show", bind="query-params"
)
if batches.open:
    with batches:
        compared()
if live.open:
    with live:
        live_traffic.live_traffic()
if compare.open:
    with compare:
        on_demand.on_demand()
