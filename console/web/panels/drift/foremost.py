"""The columns that matter most in a comparison, each with its distribution and a fact."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from console.figures import distributions
from console.queries import drift
from console.web import reading, session, widgets
from console.web.panels.drift.profiles import DRAWABLE, Profiles
from core.domain.dataset import Column
from core.domain.drift import StoredReport
from core.domain.number_format import percent
from core.rules.data.column_facts import striking
from core.rules.data.far_values import FarValues
from core.rules.data.profile_bins import overlay
from core.rules.drift.column_weights import MOST_TIMES, ColumnWeight

_SHOWN = 3
_HEIGHT = 130


def far_values(view: drift.View, report: StoredReport, sides: drift.Sides) -> tuple[FarValues, ...]:
    """The columns with values far outside the range of the reference, or of the other one.

    The other is looked at if the recommendation names any: the batch before may have been broken
    in the same way.
    """
    found = {one.column: one for one in drift.far(session.desk(), sides)}
    if view.advice and view.advice.far:
        for other in view.reports.values():
            if other.reference is not report.reference and not other.is_alone:
                also = reading.query(drift.profiles, other)
                for one in drift.far(session.desk(), also) if also else ():
                    found.setdefault(one.column, one)
    return tuple(found.values())


def columns(
    view: drift.View,
    report: StoredReport,
    sides: tuple[Profiles, Profiles],
    far: Sequence[FarValues],
) -> None:
    """Up to three columns beyond a limit; nothing if none is.

    Those with values `far` outside the former range come first, then the weightiest.
    """
    facts = {one.column: one for one in far}
    ranked = view.advice.columns if view.advice else ()
    beyond = [w for w in ranked if w.drift > 1 or w.column in facts]
    beyond.sort(key=lambda w: w.column not in facts)
    then, now = sides
    dataset = session.desk().dataset
    known = {c.name: c for c in dataset.columns if c.name in then and c.name in now}
    shown = [(w, known[w.column]) for w in beyond if w.column in known][:_SHOWN]
    if not shown:
        return
    with st.container(gap="xsmall"):
        st.markdown(
            "**Columns that matter most** &nbsp; "
            f":gray[Grey: {widgets.plain(report.reference_name)}. Green, or hatched: this batch.]"
        )
        for place, (weight, column) in zip(st.columns(_SHOWN), shown, strict=False):
            with place, st.container(gap="xxsmall"):
                _column(weight, column, facts.get(column.name), sides, report)


def _column(
    weight: ColumnWeight,
    column: Column,
    far: FarValues | None,
    sides: tuple[Profiles, Profiles],
    report: StoredReport,
) -> None:
    before, after = (side[column.name] for side in sides)
    unit = f" ({column.unit})" if column.unit else ""
    name = f"**{widgets.plain(column.label)}**{widgets.plain(unit)}"
    st.markdown(f"{name} :gray[{'' if far else _why(weight)}]")
    if far:
        st.markdown(f":red[{widgets.plain(_capital(far.short))}]")
    elif fact := striking(before, after):
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


def _why(weight: ColumnWeight) -> str:
    is_most = weight.drift >= MOST_TIMES
    amount = f"at least {MOST_TIMES:g}" if is_most else f"{weight.drift:.1f}"
    importance = f", importance {percent(weight.importance)}" if weight.importance else ""
    return f"{amount} times its limit{importance}"


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"
