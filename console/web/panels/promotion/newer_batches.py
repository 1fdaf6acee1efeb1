"""A version's scores on newer batches, next to those of another version."""

from __future__ import annotations

from typing import Any

import streamlit as st

from console.queries.forward_scores import ForwardReport, ForwardRow
from console.text import formatting
from console.web import sorted_cells, widgets
from console.web.sorted_cells import Shown
from core.domain.dataset import Dataset
from core.domain.metrics import METRICS


def show(report: ForwardReport, dataset: Dataset) -> None:
    """The version on batches that are newer than all its training batches; nothing without any."""
    if not (report.says or report.rows):
        return
    st.markdown("###### On newer batches")
    fact(report)
    table(report, dataset, key="newer")


def fact(report: ForwardReport) -> None:
    """The comparison on the newest batch, for the decision about the version."""
    for sentence in (report.says, report.coverage):
        if sentence:
            st.caption(widgets.plain(sentence))


def table(report: ForwardReport, dataset: Dataset, *, key: str) -> None:
    """The version on each newer batch, newest first."""
    if report.note:
        st.caption(widgets.plain(report.note))
    if not report.scored:
        return
    name = METRICS[dataset.primary_metric].heading
    other = report.other if any(row.other for row in report.scored) else None
    widgets.table(
        [_row(row, other, dataset) for row in reversed(report.scored)],
        key=key,
        column_config={"Rows": st.column_config.NumberColumn(format="localized")},
        alt=f"{name} of version {report.version} on each batch that is newer than it",
    )


def _row(row: ForwardRow, other: int | None, dataset: Dataset) -> dict[str, Any]:
    """One batch; the cells of another version say that it has no score, where it has none."""
    primary, unit, own = dataset.primary_metric, dataset.target.unit, row.own
    value = own.metrics[primary]
    covers = "In the set" if dataset.task.is_classifier else "In the interval"
    covered = "-" if own.coverage is None else formatting.percent(own.coverage)
    cells: dict[str, Any] = {
        "Batch": row.name,
        "Rows": own.rows,
        METRICS[primary].heading: sorted_cells.metric(primary, value, unit),
        covers: Shown(own.coverage, covered),
    }
    if other is not None:
        theirs = row.other.metrics.get(primary) if row.other else None
        cells |= {
            f"Version {other}": sorted_cells.metric(primary, theirs, unit, "not scored"),
            "Change": sorted_cells.change(primary, value, theirs),
        }
    return cells
