"""One prediction: its value, interval and feature contributions."""

from __future__ import annotations

import streamlit as st

from console.figures import prediction_charts
from console.queries import prediction_log, served_model
from console.text import contributions as contribution_texts
from console.text import prediction
from console.text.prediction import Answer
from console.web import page_state, reading, session, widgets
from core.domain.errors import BadInput, DriftdeskError, Missing
from core.domain.number_format import figure
from core.rules.model.contract import Contract

LAST = "answer"
"""The parameter of the address that names the last answer of the form."""

_PLAIN_CHART = {"displayModeBar": False, "responsive": True}


def show(answer: Answer, contract: Contract | None) -> None:
    """The prediction with its warnings, its interval and its feature contributions."""
    if answer.warnings:
        lines = map(widgets.plain, answer.warnings)
        st.warning("  \n".join(lines), icon=":material/travel_explore:")
    target = session.desk().dataset.target
    unit, label = target.unit, target.label
    if contract:
        unit, label = contract.target_unit, contract.target_label
    on_log = answer.scale == "log"
    with st.container(border=True):
        left, right = st.columns([1, 2], vertical_alignment="center")
        left.metric(widgets.plain(label), widgets.plain(answer.in_words(unit)))
        left.caption(f"Version {answer.version} · {prediction.when(answer, widgets.now())}")
        with right:
            if answer.label is None:
                interval(answer, unit, on_log=on_log)
            else:
                classes(answer)
    contributions(answer, contract, unit, on_log=on_log)


def classes(answer: Answer) -> None:
    """The probability of each class as bars, and the prediction set in words."""
    chart = prediction_charts.probabilities(answer)
    listed = ", ".join(f"{label} {prediction.probability_words(p)}"
                     for label, p in answer.probabilities.items())  # fmt: skip
    st.plotly_chart(chart, config=_PLAIN_CHART, key=f"classes-{answer.id}", alt=listed)
    more = len(answer.probabilities) - prediction_charts.MOST_BARS
    if more > 0:
        st.caption(f"The {prediction_charts.MOST_BARS} most probable classes; {more} more have "
                   "lower probabilities.")  # fmt: skip
    if answer.threshold is not None:
        label, least = answer.threshold
        st.caption(
            f"The answer is **{widgets.plain(label)}** if its probability is at least "
            f"{prediction.probability_words(least)} (the model's threshold)."
        )
    if answer.inside is None:
        st.caption("No prediction set: this version was trained on too few rows.")
        return
    text = f"Prediction set: **{widgets.plain(', '.join(answer.inside))}**"
    if answer.coverage:
        text += f" · {prediction.coverage_words(answer.coverage, 'set')}"
    st.markdown(text)


def permanent_link(answer: Answer) -> None:
    """A button that opens the prediction's page; its address is the permanent link."""

    def go() -> None:
        st.query_params.pop(LAST, None)
        page_state.note_address("id", answer.id)

    st.button(
        "Give feedback, or keep the link", key="permanent-link", icon=":material/link:",
        help=f"Prediction {answer.id}", on_click=go,
    )  # fmt: skip


def leave(mode: str) -> None:
    """Leave the page of one prediction for a section of the Predict page; for callbacks."""
    for name in ("id", LAST):
        st.query_params.pop(name, None)
    page_state.set_state("ask", mode)


def recall(wanted: str, contract: Contract | None, live: int | None) -> Answer | None:
    """A recorded prediction; if it cannot be read, shows why and retries, and returns None.

    `contract` is that of the version `live`.
    """
    try:
        record = prediction_log.prediction(session.desk(), wanted)
    except DriftdeskError:
        wait(wanted)
        return None
    version = record.model_version
    if contract and live == version:
        return prediction.recorded(record, contract, has_typical_row=True)
    known = reading.query(served_model.recorded_contract, version, silent=True)
    if known is None:
        return prediction.recorded(record)
    return prediction.recorded(record, known.contract, has_typical_row=known.has_typical_row)


@st.fragment(run_every=2.0)
def wait(wanted: str) -> None:
    """Retry until the record exists: serving writes it after the response."""
    try:
        prediction_log.prediction(session.desk(), wanted)
    except Missing:
        st.info(
            f"Prediction {wanted} is not on record (yet). Serving writes the record within seconds "
            "of the response, or later if the database is unavailable. This page refreshes "
            "automatically. An unknown id is never found.",
            icon=":material/hourglass_empty:",
        )
        return
    except BadInput as error:  # trying again changes nothing
        st.error(widgets.plain(str(error)), icon=":material/error:")
        return
    except DriftdeskError as error:  # the record cannot be looked up
        st.error(
            f"{widgets.plain(str(error))} This page refreshes automatically.",
            icon=":material/cloud_off:",
        )
        return
    st.rerun()


def interval(answer: Answer, unit: str, *, on_log: bool) -> None:
    """The prediction interval as a chart and in words."""
    if answer.low is None or answer.high is None:
        st.caption(
            "No prediction interval: this version was trained on too few rows, or before driftdesk "
            "calculated intervals."
        )
        return
    chart = prediction_charts.interval(answer, unit, on_log=on_log)
    st.plotly_chart(chart, config=_PLAIN_CHART, key=f"span-{answer.id}")
    text = f"**{figure(answer.low)} to {prediction.amount(answer.high, unit)}**"
    if answer.coverage:
        text += f" · {prediction.coverage_words(answer.coverage)}"
    st.markdown(text)


def contributions(answer: Answer, contract: Contract | None, unit: str, *, on_log: bool) -> None:
    """How much each feature raised or lowered the prediction."""
    units = {c.name: (c.label, c.unit) for c in session.desk().dataset.columns}
    units |= {f.name: (f.label, f.unit) for f in contract.fields} if contract else {}
    steps = contribution_texts.steps(answer, units)
    if not steps or not answer.contributions:
        st.caption(
            "No feature contributions: the request did not ask for them, or this version cannot "
            "calculate them."
        )
        return
    st.subheader("Feature contributions", anchor=False)
    if contribution_texts.is_typical(steps):
        st.caption(contribution_texts.TYPICAL)
        return
    start = contribution_texts.baseline_words(answer, unit)
    how = "multiplies the prediction" if on_log else "adds to the prediction"
    typical = "the prediction for a typical row"
    if of_class := widgets.plain(contribution_texts.explained_class(answer)):
        how = f"multiplies the odds of **{of_class}**"
        typical = f"the probability of **{of_class}** for a typical row"
    st.caption(
        f"Starting from **{start}**, {typical}, each feature "
        f"{how}; largest effect first. Contributions (Shapley values) describe the model, not "
        "causes."
    )
    moving = [step for step in steps if not step.is_zero]
    chart = prediction_charts.contributions(moving, on_log=on_log, of_class=bool(of_class))
    st.plotly_chart(chart, config=_PLAIN_CHART, key=f"way-{answer.id}")
    if none := contribution_texts.without_effect(steps):
        st.caption(widgets.plain(none))
    with st.expander("As a table"):
        columns = ("Feature", "Value", "Effect", "From", "To")
        rows = ((s.label, s.value, s.words, *s.ends) for s in steps)
        widgets.table([dict(zip(columns, row, strict=True)) for row in rows])
