"""The columns that matter most in a comparison, each with its distribution and a fact."""

from __future__ import annotations

import streamlit as st

from console.figures import distributions
from console.queries import drift
from console.web import reading, session, widgets
from console.web.panels.drift.profiles import DRAWABLE, Profiles
from core.domain.dataset import Column
from core.domain.drift import StoredReport
from core.domain.number_format import percent
from core.rules.data.column_facts import striking
from core.rules.data.profile_bins import overlay
from core.rules.drift.column_weights import MOST_TIMES, ColumnWeight

_SHOWN = 3
_HEIGHT = 170


def columns(view: drift.View, report: StoredReport) -> None:
    """Up to three columns beyond a limit, the weightiest first; nothing if none is."""
    beyond = [w for w in view.advice.columns if w.drift > 1] if view.advice else []
    if not beyond or report.reference_id is None:
        return
    sides = reading.query(drift.profiles, report)
    if not sides or not sides[0]:
        return
    then, now = sides
    dataset = session.desk().dataset
    known = {c.name: c for c in dataset.columns if c.name in then and c.name in now}
    shown = [(w, known[w.column]) for w in beyond if w.column in known][:_SHOWN]
    if not shown:
        return
    st.markdown("##### Columns that matter most")
    st.caption(f"Grey: {widgets.plain(report.reference_name)}. Green, or hatched: this batch.")
    for place, (weight, column) in zip(st.columns(_SHOWN), shown, strict=False):
        with place:
            _column(weight, column, then, now, report)


def _column(
    weight: ColumnWeight, column: Column, then: Profiles, now: Profiles, report: StoredReport
) -> None:
    before, after = then[column.name], now[column.name]
    is_most = weight.drift >= MOST_TIMES
    amount = f"at least {MOST_TIMES:g}" if is_most else f"{weight.drift:.1f}"
    times = f"{amount} times its limit"
    importance = f", importance {percent(weight.importance)}" if weight.importance else ""
    st.markdown(f"**{widgets.plain(column.label)}** :gray[{times}{importance}]")
    if fact := striking(before, after):
        st.markdown(f":orange[{widgets.plain(fact)}]")
    if column.type not in DRAWABLE and not column.is_class:
        return
    names = (report.reference_name, f"batch {report.batch_number}")
    if column.is_text or (before.categories and after.categories):
        figure = distributions.class_shares(before, after, names, height=_HEIGHT)
    elif shape := overlay(before, after):
        figure = distributions.distribution(
            shape, names, column.unit or "", logarithmic=False, height=_HEIGHT
        )
    else:
        return
    key = f"foremost-{report.batch_id}-{report.reference}-{column.name}"
    alt = f"{column.label}: share of rows, {names[0]} as an area, {names[1]} as a line."
    widgets.chart(figure, key, f"{column.name}-batch-{report.batch_number}", alt)
