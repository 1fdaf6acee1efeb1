"""All statistics and measures of a batch on the Drift page: tables, and the report as CSV."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import streamlit as st

from console.queries import drift
from console.queries.drift import Sides
from console.text import formatting
from console.text import measures as measure_text
from console.web import reading, session, widgets
from console.web.panels.drift.comparison import NAMES
from core.domain.drift import Measure, Measured, Reference, StatChange, StoredReport
from core.domain.number_format import percent
from core.rules.data.column_facts import unseen
from core.rules.drift.references import against


def tables(reports: Mapping[Reference, StoredReport]) -> None:
    """The tables of all statistics and measures, against both references."""
    found = {
        reference: reading.query(drift.profiles, report)
        for reference, report in reports.items()
        if not report.is_alone
    }
    sides = {reference: both for reference, both in found.items() if both}
    far = {
        reference: {one.column for one in drift.far(session.desk(), both)}
        for reference, both in sides.items()
    }
    _statistics(reports, far)
    _measures(reports, sides)


def _statistics(
    reports: Mapping[Reference, StoredReport], far: Mapping[Reference, Collection[str]]
) -> None:
    """A table of all statistics against both references.

    `far` has the columns with values far outside of each reference's range.
    """
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
        "champion's training data. "
        + " ".join(
            f"{_SHORT[reference].capitalize()}: {widgets.plain(against(report))}."
            for reference, report in reports.items()
            if not report.is_alone
        )
    )
    if Reference.CHAMPION not in reports:
        st.info("No model was live when this batch was compared.", icon=":material/info:")
    units = {column.name: column.unit for column in session.desk().dataset.columns}
    rows = [_row(name, by, units, far) for name in names]
    look: dict[str, Any] = {"Statistic": st.column_config.TextColumn(width=150, pinned=True)}
    look |= {"Unit": st.column_config.TextColumn(width=55)}
    look |= {"Current": _number("Current", 85), "Limit %": _number("Limit", 65, "%.1f %%")}
    for reference in by:
        heading, short = NAMES[reference], _SHORT[reference]
        look |= {
            heading.capitalize(): _number(short.capitalize(), 85),
            f"Change from {heading} %": _number(
                f"vs. {short}", 95, "%+.1f %%", f"The change from the {heading}."
            ),
            f"Noise band, {heading} %": _number(
                "Noise band", 85, "%.1f %%", f"How much chance alone can change, {heading}."
            ),
            f"Finding, {heading}": _text("Finding", 150, f"Against the {heading}."),
        }
    widgets.table(
        rows,
        height="content",
        placeholder="",
        column_config=look,
        alt="Every statistic against its references; the columns can be sorted",
    )


_SHORT = {Reference.PREVIOUS: "previous", Reference.CHAMPION: "champion"}
"""Headings that let the table fit; the column's help has the whole name."""


def _number(label: str, width: int, form: str = "localized", help_: str | None = None) -> Any:
    return st.column_config.NumberColumn(label, width=width, format=form, help=help_)


def _text(label: str, width: int, help_: str | None = None) -> Any:
    return st.column_config.TextColumn(label, width=width, help=help_)


def _row(
    name: str,
    by: Mapping[Reference, Mapping[str, StatChange]],
    units: Mapping[str, str],
    far: Mapping[Reference, Collection[str]],
) -> dict[str, Any]:
    """The figures as numbers, so that the table sorts by them; changes in per cent, with a sign."""
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
        row[heading.capitalize()] = formatting.rounded(change.reference) if change else None
        row[f"Change from {heading} %"] = _per_cent(change.signed if change else None)
        row[f"Noise band, {heading} %"] = _per_cent(change.band if change else None)
        row[f"Finding, {heading}"] = (
            measure_text.finding(change, far.get(reference, ())) if change else ""
        )
    return row


def _per_cent(ratio: float | None) -> float | None:
    return None if ratio is None else 100 * ratio


def _measures(reports: Mapping[Reference, StoredReport], sides: Mapping[Reference, Sides]) -> None:
    """A table of the additional measures against both references; `sides` has their profiles."""
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
        "Shift of the mean: in standard deviations (sd) of the reference. The limits stand in the "
        "dataset file."
    )
    labels = {c.name: c.label for c in session.desk().dataset.columns}
    look: dict[str, Any] = {"Column": st.column_config.TextColumn(width=110, pinned=True)}
    look |= {"Measure": _text("Measure", 130), "Unit": _text("Unit", 70)}
    look |= {"Current": _text("Current", 85), "Limit": _number("Limit", 60, "%.3g")}
    for reference in by:
        heading, short = NAMES[reference], _SHORT[reference]
        look |= {
            f"Difference from {heading}": _number(
                f"vs. {short}", 95, "%.3g", f"The difference from the {heading}."
            ),
            f"Noise band, {heading}": _number("Noise band", 85, "%.3g"),
            f"Finding, {heading}": _text("Finding", 150, f"Against the {heading}."),
        }
    rows = [_measure_row(name, by, labels) for name in names]
    widgets.table(rows, height="content", placeholder="", column_config=look)
    for reference, both in sides.items():
        for measured in by[reference].values():
            if why := _why_undefined(measured, both):
                column = widgets.plain(labels.get(measured.column, measured.column))
                st.caption(f"{column} against the {NAMES[reference]}: {why}")


def _measure_row(
    name: str,
    by: Mapping[Reference, Mapping[str, Measured]],
    labels: Mapping[str, str],
) -> dict[str, Any]:
    by_reference = {reference: of[name] for reference, of in by.items() if name in of}
    any_measure = next(iter(by_reference.values()))
    which = any_measure.measure
    row: dict[str, Any] = {
        "Column": labels.get(any_measure.column, any_measure.column),
        "Measure": measure_text.NAMES[which],
        "Unit": measure_text.UNITS[which],
        "Current": measure_text.side(which, any_measure.current),
        "Limit": measure_text.number(which, any_measure.limit),
    }
    for reference in by:
        heading, measured = NAMES[reference], by_reference.get(reference)
        row[f"Difference from {heading}"] = (
            measure_text.number(which, measured.value) if measured else None
        )
        row[f"Noise band, {heading}"] = (
            measure_text.number(which, measured.band) if measured else None
        )
        row[f"Finding, {heading}"] = measure_text.finding(measured) if measured else ""
    return row


def _why_undefined(measured: Measured, sides: Sides) -> str:
    """What is known of new values where the reference's profile does not keep all its values."""
    if measured.known or measured.measure is not Measure.NEW:
        return ""
    then, now = (side.get(measured.column) for side in sides)
    if not then or not now or not (then.categories and now.categories):
        return ""
    share, are_new = unseen(then, now)
    return (
        f"{percent(share)} of the values {are_new}. How many are new is undefined, "
        "because a profile keeps only the most common values."
    )


def report_rows(report: StoredReport) -> list[dict[str, object]]:
    """A report as rows of a CSV file, one for each statistic and each measure.

    The change is the ratio with its sign. Both are a measure's value, in the unit of the measure.
    """
    rows: list[dict[str, object]] = [
        {"statistic": c.statistic, "ratio": c.ratio, "change": c.signed, "error": c.error}
        | _in_report(report, c)
        for c in report.report.changes
    ]
    rows += [
        {"statistic": m.measure.value, "ratio": m.value, "change": m.value, "error": 0.0}
        | _in_report(report, m)
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
    "change",    "limit", "band", "error", "finding", "could be noise",
)  # fmt: skip
"""The columns of the file."""


def downloads(report: StoredReport) -> None:
    """A button for the report as CSV; each chart has its own PNG button."""
    batch = f"epoch-{report.epoch}-batch-{report.batch_number}"
    widgets.download_csv(
        "CSV", report_rows(report), f"drift-{batch}-{report.reference.value}.csv",
        help="All statistics and measures of this comparison. Each chart has a PNG button.",
    )  # fmt: skip
