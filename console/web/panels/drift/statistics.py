"""All statistics and measures of a batch on the Drift page: tables, and the report as CSV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from console.text import formatting
from console.text import measures as measure_text
from console.web import session, widgets
from console.web.panels.drift.comparison import NAMES
from core.domain.drift import Measured, Reference, StatChange, StoredReport


def table(reports: dict[Reference, StoredReport]) -> None:
    """A table of all statistics against both references."""
    by = {
        reference: {c.name: c for c in report.report.changes}
        for reference, report in reports.items()
    }
    names = list(dict.fromkeys(name for changes in by.values() for name in changes))
    if not names:
        st.caption("The first batch has no reference.")
        return
    st.caption(
        "Small changes from batch to batch can stay below each limit, yet add up against the "
        "champion's training data."
    )
    if Reference.CHAMPION not in reports:
        st.info("No model was live when this batch was compared.", icon=":material/info:")
    units = {column.name: column.unit for column in session.desk().dataset.columns}
    rows = [_row(name, by, units) for name in names]
    shares = [name for name in rows[0] if name.endswith("%")]
    figures = ["Current", *(NAMES[reference].capitalize() for reference in by)]
    number = st.column_config.NumberColumn
    widgets.table(
        rows,
        height="content",
        placeholder="",
        column_config=dict.fromkeys(shares, number(format="%.1f"))
        | dict.fromkeys(figures, number(format="localized")),
        alt="Every statistic against its references; the columns can be sorted",
    )


def _row(
    name: str, by: dict[Reference, dict[str, StatChange]], units: Mapping[str, str]
) -> dict[str, Any]:
    """The figures as numbers, so that the table sorts by them; changes in per cent."""
    changes = {reference: of[name] for reference, of in by.items() if name in of}
    any_change = next(iter(changes.values()))
    row: dict[str, Any] = {
        "Statistic": name,
        "Unit": units.get(any_change.column, ""),
        "Current": formatting.rounded(any_change.current),
        "Limit %": 100 * any_change.limit,
    }
    for reference in by:
        heading, change = NAMES[reference], changes.get(reference)
        reference_value, ratio, band = (
            (change.reference, change.ratio, change.band) if change else (None, None, None)
        )
        row[heading.capitalize()] = formatting.rounded(reference_value)
        row[f"Change from {heading} %"] = _per_cent(ratio)
        row[f"Noise band, {heading} %"] = _per_cent(band)
        row[f"Finding, {heading}"] = _finding(change) if change else ""
    return row


def _per_cent(ratio: float | None) -> float | None:
    return None if ratio is None else 100 * ratio


def _finding(change: StatChange) -> str:
    """A finding in words, such as "breach, could be noise"."""
    noise = ", could be noise" if change.could_be_noise else ""
    return f"{formatting.STATES[change.finding][1]}{noise}"


def measures(reports: dict[Reference, StoredReport]) -> None:
    """A table of the additional measures against both references."""
    by = {
        reference: {m.name: m for m in report.report.measures}
        for reference, report in reports.items()
    }
    names = list(dict.fromkeys(name for measured in by.values() for name in measured))
    if not names:
        return
    st.markdown("##### Additional measures")
    st.caption(
        "Mix of categories: Jensen-Shannon distance of their shares, from 0 to 1. New values: "
        "share of values that the reference does not have. Empty values: difference of the shares. "
        "Shift of the mean: in standard deviations of the reference. The limits stand in the "
        "dataset file."
    )
    labels = {c.name: c.label for c in session.desk().dataset.columns}
    widgets.table([_measure_row(name, by, labels) for name in names], height="content")


def _measure_row(
    name: str, by: dict[Reference, dict[str, Measured]], labels: dict[str, str]
) -> dict[str, str]:
    by_reference = {reference: of[name] for reference, of in by.items() if name in of}
    any_measure = next(iter(by_reference.values()))
    which = any_measure.measure
    row = {
        "Column": labels.get(any_measure.column, any_measure.column),
        "Measure": measure_text.NAMES[which],
        "Current": measure_text.side(which, any_measure.current),
        "Limit": measure_text.value(which, any_measure.limit),
    }
    for reference in by:
        measured = by_reference.get(reference)
        row[f"Difference from {NAMES[reference]}"] = (
            measure_text.outcome(measured) if measured else "-"
        )
    return row


def report_rows(report: StoredReport) -> list[dict[str, object]]:
    """A report as rows of a CSV file, one for each statistic and each measure.

    The ratio of a measure is its value, in the unit of the measure.
    """
    rows: list[dict[str, object]] = [
        {"statistic": c.statistic, "ratio": c.ratio, "error": c.error} | _in_report(report, c)
        for c in report.report.changes
    ]
    rows += [
        {"statistic": m.measure.value, "ratio": m.value, "error": 0.0} | _in_report(report, m)
        for m in report.report.measures
    ]
    return [{key: row[key] for key in _ORDER} for row in rows]


def _in_report(report: StoredReport, check: StatChange | Measured) -> dict[str, object]:
    return {
        "epoch": report.epoch,
        "batch": report.batch_number,
        "compared with": report.reference_name,
        "column": check.column,
        "reference": check.reference,
        "current": check.current,
        "limit": check.limit,
        "band": check.band,
        "finding": check.finding.value,
        "could be noise": "yes" if check.could_be_noise else "no",
    }


_ORDER = (
    "epoch", "batch", "compared with", "column", "statistic", "reference", "current", "ratio",
    "limit", "band", "error", "finding", "could be noise",
)  # fmt: skip
"""The columns of the file."""


def downloads(report: StoredReport) -> None:
    """A button for the report as CSV; each chart has its own PNG button."""
    batch = f"epoch-{report.epoch}-batch-{report.batch_number}"
    widgets.download_csv(
        "CSV", report_rows(report), f"drift-{batch}-{report.reference.value}.csv",
        help="All statistics and measures of this comparison. Each chart has a PNG button.",
    )  # fmt: skip
