"""Two profiles compared: the distribution of one column, and data quality."""

from __future__ import annotations

import streamlit as st

from console.figures import distributions as distribution_charts
from console.figures.distributions import MOST_CLASSES
from console.text import formatting
from console.text.csv_output import inert
from console.web import session, widgets
from core.domain.dataset import Column, ColumnType, Role
from core.domain.profiles import ColumnProfile
from core.rules.data.profile_bins import beyond, categories, overlay
from core.rules.data.quality import null_share

Profiles = dict[str, ColumnProfile]

_WIDTHS = {
    "Missing before": 115, "Missing now": 105, "Distinct values": 115, "New": 240, "Removed": 240,
    "Outside the previous range": 200,
}  # fmt: skip
"""Widths of the columns of data quality, in pixels."""

DRAWABLE = {ColumnType.NUMBER, ColumnType.CATEGORY, ColumnType.BOOLEAN}
"""Columns with a distribution to draw: codes and dates have too many values."""


def distributions(
    then: Profiles, now: Profiles, names: tuple[str, str], file: str, *, place: str = ""
) -> None:
    """The distribution of one column in both profiles.

    `names` are the legend entries, `file` is the base of the chart's file name. `place` is a
    prefix of the widget keys: two tabs that share a widget lose its value.
    """
    dataset = session.desk().dataset
    # Numbers first: they are what the drift rule compares.
    drawable = sorted((c for c in dataset.columns if c.type in DRAWABLE), key=lambda c: c.is_text)
    if dataset.task.is_classifier:
        drawable.insert(0, dataset.target)
    named = {c.label: c for c in drawable if c.name in then and c.name in now}
    if not named:
        st.caption("There is no reference profile to compare with.")
        return
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    chosen = left.selectbox("Column", list(named), key=f"{place}column", bind="query-params")
    column = named[chosen]
    before, after = then[column.name], now[column.name]
    is_class = column.is_text or bool(before.categories and after.categories)
    logarithmic = right.toggle(
        "Log axis", key=f"{place}log", bind="query-params", disabled=is_class
    )
    if is_class:
        _class_shares(column, before, after, names, file)
        return
    shape = overlay(before, after, logarithmic=logarithmic)
    if shape is None:
        why = "has no values above zero" if logarithmic else "has no values on one side"
        st.info(f"{column.label} {why}, so there is nothing to draw.", icon=":material/info:")
        return
    unit = column.unit or column.label
    figure = distribution_charts.distribution(shape, names, unit, logarithmic=logarithmic)
    key, name = f"shape-{file}-{column.name}-{logarithmic}", f"distribution-{column.name}-{file}"
    alt = f"{column.label}: share of rows in {len(shape.current)} bins, reference and current."
    widgets.chart(figure, key, name, alt)
    st.caption(
        f"{before.count:,} and {after.count:,} values. The axis ends at the 1 % and 99 % "
        f"quantiles; {formatting.percent(shape.outside[0])} and "
        f"{formatting.percent(shape.outside[1])} of the values lie outside."
    )


def _class_shares(
    column: Column, before: ColumnProfile, after: ColumnProfile, names: tuple[str, str], file: str
) -> None:
    """The share of each category, or class of the target, in both profiles."""
    figure = distribution_charts.class_shares(before, after, names)
    alt = f"{column.label}: share of rows of each category, reference and current."
    name = f"distribution-{column.name}-{file}"
    widgets.chart(figure, f"classes-{file}-{column.name}", name, alt)
    categories_shown = len({*before.categories, *after.categories})
    of = f" The {MOST_CLASSES} largest categories." if categories_shown > MOST_CLASSES else ""
    st.caption(f"{before.count:,} and {after.count:,} values.{of}")


def data_quality(then: Profiles, now: Profiles, against: str) -> None:
    """Missing values, new and removed categories, and values outside the range of `then`."""
    dataset = session.desk().dataset
    if not then:
        st.caption("The first batch has no reference.")
        return
    rows = [
        {
            "Column": column.label,
            "Missing before": formatting.percent(null_share(then[column.name])),
            "Missing now": formatting.percent(null_share(now[column.name])),
            **(_texts if column.is_text else _numbers)(then[column.name], now[column.name]),
        }
        for column in dataset.columns
        if column.role is not Role.IDENTIFIER and column.name in then and column.name in now
    ]
    st.caption(
        f"Compared with {against}. Shares are of the non-missing values. Only the most common "
        "values are listed; counts are shown if all distinct values are known."
    )
    look = {name: st.column_config.TextColumn(width=width) for name, width in _WIDTHS.items()}
    widgets.table(rows, height="content", column_config=look)


def _texts(before: ColumnProfile, after: ColumnProfile) -> dict[str, str]:
    changes = categories(before, after)
    return {
        "Distinct values": f"{_distinct(before)} → {_distinct(after)}",
        "New": _values(changes.new, changes.new_count),
        "Removed": _values(changes.vanished, changes.vanished_count),
        "Outside the previous range": "",
    }


def _distinct(profile: ColumnProfile) -> str:
    return f"{'at least ' if profile.error else ''}{profile.distinct:,}"


def _values(values: tuple[tuple[str, float], ...], count: int | None) -> str:
    named = ", ".join(f"{value} ({formatting.percent(share)})" for value, share in values)
    # Streamlit's own CSV export does not escape formulas, so cells are escaped here.
    return f"{count:,}: {named}" if values and count is not None else inert(named)


def _numbers(before: ColumnProfile, after: ColumnProfile) -> dict[str, str]:
    below, above = beyond(before, after)
    sides = [
        f"{formatting.percent(below)} below" if below else "",
        f"{formatting.percent(above)} above" if above else "",
    ]
    out = " and ".join(s for s in sides if s) or "none"
    return {"Distinct values": "", "New": "", "Removed": "", "Outside the previous range": out}
