"""Drift: what changed in a batch or in live traffic, could it be noise, what to do about it."""

from __future__ import annotations

import streamlit as st

from console import (
    actions,
    charts,
    drift_heat,
    drifts,
    parts,
    parts_drift,
    parts_limits,
    parts_profiles,
    parts_traffic,
    session,
    words,
)
from console.desk import Desk
from core.advice import Recommendation
from core.limits import Cell
from core.records import Reference, StoredReport
from core.roles import Right

PREVIOUS, CHAMPION = "The batch before", "The champion's rows"
SECTIONS = ["What matters", "Side by side", "Distributions", "What came in", "Limits"]
WINDOWS = {"Last 12": 12, "Last 50": 50, "Last 200": drifts.MOST_BATCHES}
# With more batches than this the history shows each column's worst, of so many columns.
_EVERY_STATISTIC, _ROWS = 50, 20
_BATCH, _HEAT = "drift-batch", "drift-heat"


@parts.dialog("Train anyway")
def ask_why_train(warning: str) -> None:
    """Training that is not recommended goes on record with a reason."""
    if warning:
        st.warning(parts.plain(warning), icon=":material/block:")
    parts.reason("drift-train-reason", "Why train now?")

    def train() -> None:
        reason = session.field("drift-train-reason")
        session.act("Training is queued.", actions.request_train, reason=reason)

    parts.confirm("Train", train)


def choose(batches: list[drifts.ComparedBatch]) -> drifts.ComparedBatch:
    """The batch to look at, kept in the page's address."""
    named = {b.name: b for b in batches}
    wanted = st.query_params.get("batch", "")
    asked = next((b for b in batches if str(b.id) == wanted), None)
    if wanted and asked is None:
        st.info(
            f"Batch {parts.plain(wanted)} is not among the newest {len(batches)} that were "
            "compared; this is the newest.",
            icon=":material/info:",
        )
    session.keep(_BATCH, (asked or batches[0]).name)

    def note() -> None:
        st.query_params["batch"] = str(named[session.field(_BATCH)].id)

    name = st.selectbox("Batch", list(named), key=_BATCH, on_change=note)
    return named[name]


def buttons(view: drifts.View, report: StoredReport, batches: list[drifts.ComparedBatch]) -> None:
    """What can be done about this batch."""
    newest = batches[0].id == view.batch.id
    asks = newest and any(r.report.retrain for r in view.reports.values())
    found = view.advice
    blocked = bool(found and found.recommendation is Recommendation.BLOCK)
    row = st.container(horizontal=True)
    row.button(
        "Compare again",
        icon=":material/refresh:",
        on_click=session.act,
        args=("The comparison is queued.", actions.request_drift),
        kwargs={"batch_id": view.batch.id},
        **parts.only(Right.RUN, help="With the limits in force and today's champion."),
    )
    if asks and not blocked:
        row.button(
            "Train",
            icon=":material/model_training:",
            on_click=session.act,
            args=("Training is queued.", actions.request_train),
            **parts.only(Right.RUN),
        )
    elif row.button("Train anyway…", icon=":material/model_training:", **parts.only(Right.RUN)):
        ask_why_train(found.reasons[0] if found and blocked else "")
    with row:
        parts_drift.downloads(report)


def open_cell() -> None:
    """Look at the batch whose cell was clicked."""
    points = (session.field(_HEAT, None) or {}).get("selection", {}).get("points", [])
    if points and points[0].get("customdata"):
        st.query_params["batch"] = str(int(points[0]["customdata"][0]))


def history(view: drifts.View, reference: Reference, cells: list[Cell]) -> None:
    """Every statistic of the last batches; a click on a cell opens its batch."""
    head, side = st.columns([2, 1], vertical_alignment="bottom")
    head.subheader("History", anchor=False)
    window = side.segmented_control(
        "Batches", list(WINDOWS), default="Last 12", key="last", bind="query-params",
        label_visibility="collapsed", required=True,
    )  # fmt: skip
    newest = list(dict.fromkeys(c.batch_id for c in cells))[-WINDOWS[window] :]
    if not newest:
        st.caption("A batch has a history once there is another one to compare it with.")
        return
    wanted = set(newest)
    shown = [c for c in cells if c.batch_id in wanted]
    by_column = len(wanted) > _EVERY_STATISTIC
    labels = {c.name: c.label for c in session.desk().dataset.compared}
    figure = session.remembered(
        lambda: drift_heat.heat(
            drift_heat.worst(shown, _ROWS) if by_column else shown,
            labels,
            view.batch.id,
            by_column=by_column,
        ),
        "heat", view.stamp, reference.value, window, view.batch.id,
    )  # fmt: skip
    st.plotly_chart(
        figure,
        key=_HEAT,
        width="stretch",
        config=charts.png(f"drift-history-{reference.value}"),
        on_select=open_cell,
        selection_mode="points",
        alt=f"Ratio divided by limit for every statistic of the last {len(newest)} batches.",
    )
    if by_column:
        st.caption("Each column's worst statistic of each batch.")
    parts_drift.heat_key(drift_heat.BATCH)


def sections(view: drifts.View, report: StoredReport, cells: list[Cell]) -> None:
    """The rest, a tab each; only the open one is worked out."""
    matter, side, shapes, values, limits = st.tabs(SECTIONS, key="view", bind="query-params")
    if matter.open:
        with matter:
            parts_drift.matter(view)
    if side.open:
        with side:
            parts_drift.figures(view.reports)
    if (shapes.open or values.open) and (found := session.ask(drifts.profiles, report)):
        with shapes if shapes.open else values:
            if shapes.open:
                named = f"epoch {report.epoch}, batch {report.batch_number}"
                file = f"batch-{report.batch_number}"
                parts_profiles.distributions(*found, (report.reference_name, named), file)
            else:
                parts_profiles.came_in(*found, report.reference_name)
    if limits.open:
        with limits:
            parts_limits.editor(report.reference, cells)


def past(desk: Desk, reference: Reference, stamp: object) -> list[Cell]:
    """The history against one reference, read again when a report was written."""
    return session.remembered(
        lambda: drifts.history(desk, reference), "cells", stamp, reference.value
    )


def page(batches: list[drifts.ComparedBatch]) -> None:
    """One batch, from verdict to evidence."""
    left, middle, right = st.columns([2, 2, 2], vertical_alignment="bottom")
    with left:
        batch = choose(batches)
    view = session.ask(drifts.view, batch.id)
    if view is None:
        return
    against = middle.segmented_control(
        "Compared with", [PREVIOUS, CHAMPION], default=PREVIOUS, key="against",
        bind="query-params", required=True,
    )  # fmt: skip
    grouping = right.segmented_control(
        "Charts", [parts_drift.BY_STATISTIC, parts_drift.BY_COLUMN],
        default=parts_drift.BY_STATISTIC, key="group", bind="query-params", required=True,
    )  # fmt: skip
    wanted = Reference.CHAMPION if against == CHAMPION else Reference.PREVIOUS
    report = view.reports.get(wanted)
    if report is None:
        st.info(
            "There was no champion when this batch was compared; this is the comparison with "
            "the batch before.",
            icon=":material/info:",
        )
        report = view.reports.get(Reference.PREVIOUS)
    if report is None:
        st.info("This batch has no comparison any more.", icon=":material/info:")
        return
    cells = session.ask(past, report.reference, view.stamp) or []
    st.caption(
        f"Compared with {report.reference_name}, {words.ago(report.created_at, parts.now())}",
        help=f"{report.created_at:%Y-%m-%d %H:%M:%S} UTC",
    )
    parts_drift.verdict(report.report)
    parts_drift.advice(view.advice)
    buttons(view, report, batches)
    parts_drift.ratios(report.report, grouping, f"batch-{report.batch_number}")
    history(view, report.reference, cells)
    sections(view, report, cells)


def compared() -> None:
    """The batches that were compared, or how to get one."""
    found = session.ask(drifts.compared)
    if found:
        page(found)
    elif found is not None:
        st.info(
            "No batch has been compared yet. Ingest one on the **Pipeline** page; "
            "its comparison follows by itself.",
            icon=":material/flag:",
        )
        st.page_link("views/pipeline.py", label="Go to Pipeline", icon=":material/conveyor_belt:")


batches, live = st.tabs(["Batches", "Live traffic"], key="show", bind="query-params")
if batches.open:
    with batches:
        compared()
if live.open:
    with live:
        parts_traffic.live_traffic()
