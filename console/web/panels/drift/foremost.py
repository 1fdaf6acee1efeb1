"""The columns that matter most in a comparison, each with its distribution and a fact."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from console.figures import distributions
from console.queries import drift
from console.text.column_drift import other_reference, with_importance
from console.web import addresses, reading, session, widgets
from console.web.panels.drift.profiles import DRAWABLE, Profiles
from core.domain.dataset import Column
from core.domain.drift import Reference, StoredReport
from core.rules.data.column_facts import striking
from core.rules.data.far_values import FarValues
from core.rules.data.profile_bins import overlay
from core.rules.drift.column_weights import ColumnWeight, importance_in, of_report
from core.rules.drift.references import against

_SHOWN = 3
_HEIGHT = 130


Far = Mapping[FarValues, str]
"""Values far outside a reference's range; its words, if it is not the reference that is shown."""


def far_values(view: drift.View, report: StoredReport, sides: drift.Sides) -> Far:
    """The columns with values far outside the range of the reference, or of the other one.

    The other is looked at if the recommendation names any: the batch before may have been broken
    in the same way.
    """
    found = {one.column: (one, "") for one in drift.far(session.desk(), sides)}
    if view.advice and view.advice.far:
        for other in _others(view, report):
            also = reading.query(drift.profiles, other)
            for one in drift.far(session.desk(), also) if also else ():
                found.setdefault(one.column, (one, against(other)))
    return dict(found.values())


def elsewhere(
    view: drift.View, report: StoredReport, parameters: Mapping[Reference, Mapping[str, str]]
) -> None:
    """What the comparisons with other references found, each with the way to it.

    `parameters` are those of the page's address that show a reference.
    """
    for other in _others(view, report):
        beyond = [w for w in weights(view, other) if w.drift > 1]
        row = st.container(horizontal=True, vertical_alignment="center")
        row.caption(widgets.plain(other_reference(other, beyond)))
        query = {"batch": f"{other.epoch}/{other.batch_number}", **parameters[other.reference]}
        to = addresses.of(session.dataset_name(), "drift", query)
        row.html(addresses.anchor("Show that comparison", to, "act"))


def _others(view: drift.View, report: StoredReport) -> list[StoredReport]:
    others = (r for r in view.reports.values() if r.reference is not report.reference)
    return [r for r in others if not r.is_alone]


def weights(view: drift.View, report: StoredReport) -> tuple[ColumnWeight, ...]:
    """The columns by their drift from the reference of this report alone."""
    importance = importance_in(view.advice.columns) if view.advice else None
    return of_report(report.report, importance, session.desk().dataset)


def columns(
    view: drift.View,
    report: StoredReport,
    sides: tuple[Profiles, Profiles],
    far: Far,
) -> None:
    """Up to three columns beyond a limit against the reference of the report; nothing if none is.

    Those with values `far` outside the former range come first, then the weightiest.
    """
    facts = {one.column: (one, other) for one, other in far.items()}
    ranked = weights(view, report)
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
            f":gray[Grey: {widgets.plain(against(report))}. Green, or hatched: this batch.]"
        )
        for place, (weight, column) in zip(st.columns(_SHOWN), shown, strict=False):
            with place, st.container(gap="xxsmall"):
                _column(weight, column, facts.get(column.name), sides, report)


def _column(
    weight: ColumnWeight,
    column: Column,
    far: tuple[FarValues, str] | None,
    sides: tuple[Profiles, Profiles],
    report: StoredReport,
) -> None:
    before, after = (side[column.name] for side in sides)
    unit = f" ({column.unit})" if column.unit else ""
    name = f"**{widgets.plain(column.label)}**{widgets.plain(unit)}"
    st.markdown(f"{name} :gray[{'' if far else widgets.plain(with_importance(weight))}]")
    if far:
        found, other = far
        of_other = f", against {other}" if other else ""
        st.markdown(f":red[{widgets.plain(_capital(found.short) + of_other)}]")
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


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"
