"""A version's scores on newer batches, next to those of the live version."""

from __future__ import annotations

from typing import Any

import streamlit as st

from console.queries.forward_scores import ForwardReport, ForwardRow
from console.text import formatting
from console.web import widgets
from core.domain.dataset import Dataset
from core.domain.metrics import METRICS
from core.rules.model.metric_comparison import change


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
    widgets.table(
        [_row(row, dataset) for row in reversed(report.scored)],
        key=key,
        column_config={"Rows": st.column_config.NumberColumn(format="localized")},
        alt=f"{name} of version {report.version} on each batch that is newer than it",
    )


def _row(row: ForwardRow, dataset: Dataset) -> dict[str, Any]:
    primary, unit = dataset.primary_metric, dataset.target.unit
    value, own = row.own.metrics[primary], row.own
    cells: dict[str, Any] = {
        "Batch": f"{row.epoch}/{row.number}",
        "Rows": own.rows,
        METRICS[primary].heading: formatting.metric(primary, value, unit),
        ("In the set" if dataset.task.is_classifier else "In the interval"): "-"
        if own.coverage is None
        else formatting.percent(own.coverage),
    }
    if row.live and row.live.metrics:
        other = row.live.metrics[primary]
        cells |= {
            f"Version {row.live.version}": formatting.metric(primary, other, unit),
            "Change": change(primary, value, other),
        }
    return cells
