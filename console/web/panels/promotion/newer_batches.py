"""A version's scores on newer batches, next to those of the live version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from console.queries.forward_scores import ForwardReport, ForwardRow, forward_report
from console.text import formatting
from console.web import page_state, reading, widgets
from core.domain.dataset import Dataset
from core.domain.metrics import METRICS
from core.rules.model.metric_comparison import change


def show(report: ForwardReport, others: Sequence[int], dataset: Dataset) -> None:
    """The version on newer batches beside another one that a person chooses; `others` has all.

    `report` compares it with the live version; the address names another one.
    """
    st.markdown("##### On newer batches")
    named = {f"Version {v}": str(v) for v in others}
    if named:
        asked = page_state.address("against")
        shown = asked if asked in named.values() else str(report.other)
        if shown not in named.values():
            shown = str(others[0])
        box, at = st.container(width=260), f"Version {shown}"
        widgets.choice(box, "Against", named, at, "newer-against", has_steps=False)
        if shown != str(report.other):
            told = reading.query(forward_report, report.version, int(shown))
            report = told or report
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
    if row.other and row.other.metrics:
        other = row.other.metrics[primary]
        cells |= {
            f"Version {row.other.version}": formatting.metric(primary, other, unit),
            "Change": change(primary, value, other),
        }
    return cells
